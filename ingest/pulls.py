"""What is pulled on schedule: the file `pulls.yml`, checked against what the vendors have.

Each entry names a provider (or several, in the order in which they are asked), a dataset, symbols,
timeframes and how far back to go. Not for how a vendor is asked, and not for secrets: an entry of
a vendor whose keys are not set waits until they are.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.backfill import Ask
from ingest.clock import Clock, utc_now
from ingest.provider import Dataset, Provider, Request
from ingest.symbols import PAIRS, canonical_example

SYMBOL_COLUMN = "symbol"
INBOX = "inbox"

DAYS_BACK = re.compile(r"(\d+)d")
SPAN = re.compile(r"(\d+)([mhd])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LINES_SHOWN = 20

Place = tuple[str | int, ...]
Wrong = Callable[[str, str], None]
"""Called with a field of an entry and what is wrong with it."""


class PullsError(ValueError):
    """The pulls file cannot be used; the message says what is wrong, line by line."""


class Pull(BaseModel):
    """One entry: what is pulled, and from whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Annotated[str | None, Field(description="The vendor, such as coinbase.")] = None
    providers: Annotated[
        tuple[str, ...],
        Field(description="In place of `provider`: vendors in the order in which they are asked."),
    ] = ()
    dataset: Annotated[str, Field(description="A dataset of the vendor, such as bars.")]
    asset_class: Annotated[
        Literal["equity", "crypto", "fx"] | None,
        Field(description="Where the vendor has the dataset of several."),
    ] = None
    symbols: Annotated[
        tuple[str, ...], Field(description="Canonical symbols: AAPL, BRK.B, BTC/USD, EUR/USD.")
    ] = ()
    symbols_file: Annotated[
        Path | None,
        Field(description="A CSV file with a column `symbol`, beside this file or by its path."),
    ] = None
    timeframes: Annotated[
        tuple[Literal["1m", "5m", "15m", "1h", "4h", "1d"], ...],
        Field(description="For bars: those the vendor has; others are derived."),
    ] = ()
    since: Annotated[
        date | Annotated[str, Field(pattern=f"^{DAYS_BACK.pattern}$")] | None,
        Field(description="The first day, or so many days back: 2024-01-31, 30d."),
    ] = None
    revision_window: Annotated[
        str | None,
        Field(
            pattern=f"^{SPAN.pattern}$",
            description="How much of the newest is asked for again each time: 90m, 12h, 3d."
            " Default: what suits the vendor.",
        ),
    ] = None
    enabled: Annotated[bool, Field(description="Whether the entry takes effect.")] = True

    @property
    def chain(self) -> tuple[str, ...]:
        """Return the providers in the order in which they are asked."""
        return self.providers or ((self.provider,) if self.provider else ())

    def start(self, now: datetime) -> datetime | None:
        """Return the beginning of what is pulled."""
        if self.since is None:
            return None
        if isinstance(self.since, str):
            days = int(self.since.removesuffix("d"))
            return datetime.combine(now.date(), time(), UTC) - timedelta(days=days)
        return datetime.combine(self.since, time(), UTC)

    @property
    def revised_within(self) -> timedelta | None:
        """Return the revision window, if the entry has its own."""
        found = SPAN.fullmatch(self.revision_window or "")
        return int(found[1]) * UNITS[found[2]] if found else None


class PullsFile(BaseModel):
    """The pulls file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pulls: Annotated[tuple[Pull, ...], Field(description="What is pulled, entry by entry.")]


@dataclass(frozen=True)
class Entry:
    """An entry that fits the vendors: its symbols read, and whether it takes effect.

    `chain` are the providers that can be asked; `reason` says why it is off, or who is left out.
    """

    pull: Pull
    symbols: tuple[str, ...]
    asset_class: str | None
    chain: tuple[Provider, ...]
    reason: str = ""

    @property
    def is_on(self) -> bool:
        """Return whether anything is asked."""
        return bool(self.chain)

    def asks(self, now: datetime) -> Iterator[Ask]:
        """Yield what is wanted, with the other providers to turn to."""
        start = self.pull.start(now)
        for symbol in self.symbols or (None,):
            for timeframe in self.pull.timeframes or (None,):
                ask = None
                for provider in reversed(self.chain):
                    request = Request(
                        self.pull.dataset,
                        self._spelled(symbol, provider),
                        timeframe,
                        start,
                        now if start else None,
                        asset_class_of(self.asset_class, provider.datasets[self.pull.dataset]),
                    )
                    ask = Ask(provider, request, self.pull.revised_within, ask)
                if ask is not None:
                    yield ask

    def _spelled(self, symbol: str | None, provider: Provider) -> str | None:
        if symbol is None or self.asset_class is None:
            return symbol
        return provider.spell(symbol, self.asset_class)


def asset_class_of(asset_class: str | None, dataset: Dataset) -> Mapping[str, str]:
    """Return the parameters that say the asset class; what comes whole is asked without."""
    return {"asset_class": asset_class} if asset_class and dataset.is_by_symbol else {}


def asks(
    entries: Iterable[Entry], clock: Clock = utc_now, *, provider: str = "", dataset: str = ""
) -> Iterator[Ask]:
    """Yield what `entries` want; only what is first asked of one provider, where it is named."""
    now = clock()
    for entry in entries:
        is_named = not provider or (
            entry.is_on
            and entry.chain[0].name == provider
            and entry.pull.dataset == (dataset or entry.pull.dataset)
        )
        if is_named:
            yield from entry.asks(now)


def read_pulls(
    path: Path, providers: Mapping[str, Provider], clock: Clock = utc_now
) -> tuple[Entry, ...]:
    """Return the entries of a pulls file, those that are off too.

    Raises:
        PullsError: the file is missing, or something in it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PullsError(
            f"{path} cannot be read ({error}): restore it, or name another in TAPEHOUSE_PULLS"
        ) from error
    content, lines = _parse(path, text)
    problems = _Problems(path, lines)
    try:
        file = PullsFile.model_validate(content)
    except ValidationError as error:
        for each in error.errors():
            problems.add(each["loc"], _told(each))
        raise problems.error() from None
    _check_since(file.pulls, clock(), problems)
    entries = []
    seen: dict[tuple[str, str, str | None, str | None, str | None], int] = {}
    for number, pull in enumerate(file.pulls):
        entry = _checked(pull, number, path, providers, problems)
        if entry is None or not pull.enabled:
            entries += [entry] if entry else []
            continue
        entries.append(entry)
        for symbol in entry.symbols or (None,):
            for timeframe in pull.timeframes or (None,):
                key = (pull.chain[0], pull.dataset, entry.asset_class, symbol, timeframe)
                first = seen.setdefault(key, number)
                if first != number:
                    what = " ".join(filter(None, (pull.dataset, symbol, timeframe)))
                    problems.add(
                        ("pulls", number),
                        f"{pull.chain[0]} {what} is pulled by entry {first + 1} too: take it out"
                        " of one",
                    )
    if problems:
        raise problems.error()
    return tuple(entries)


class _Problems:
    """What is wrong with a file, by place."""

    def __init__(self, path: Path, lines: Mapping[Place, int]) -> None:
        self._path = path
        self._lines = lines
        self._found: dict[tuple[int, str], None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, message: str) -> None:
        """Note a problem at a place: the keys and positions that lead to it."""
        known = place
        while known not in self._lines:
            known = known[:-1]
        entry = f"entry {int(known[1]) + 1}: " if len(known) > 1 else ""
        name = f"{known[2]}: " if len(known) > 2 else ""  # noqa: PLR2004 - pulls, entry, field
        self._found[self._lines[known], f"{entry}{name}{message}"] = None

    def error(self) -> PullsError:
        """Return everything noted, by line."""
        told = [f"{self._path}:{line}: {text}" for line, text in sorted(self._found)]
        more = [f"and {len(told) - LINES_SHOWN} more"] if len(told) > LINES_SHOWN else []
        return PullsError("\n".join([*told[:LINES_SHOWN], *more]))


def _parse(path: Path, text: str) -> tuple[Any, Mapping[Place, int]]:
    """Return the content with every scalar as text, and the line of each place.

    YAML takes the ticker ON for a switch and 0700 for an octal number: text stays text here.
    """
    try:
        root = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise PullsError(f"{place}: this is not YAML: {problem}") from None
    lines: dict[Place, int] = {(): 1}
    if root is None:
        return {}, lines
    return _plain(path, root, (), lines), lines


def _plain(path: Path, node: yaml.Node, place: Place, lines: dict[Place, int]) -> Any:  # noqa: ANN401
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(path, each, (*place, n), lines) for n, each in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    content: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in content:
            raise PullsError(f"{path}:{line}: {key.value} is given twice: keep one")
        lines[*place, key.value] = line
        content[key.value] = _plain(path, value, (*place, key.value), lines)
    return content


def _told(error: Any) -> str:  # noqa: ANN401 - pydantic's own dictionary
    """Return what pydantic found, with a way out."""
    name, given = error["loc"][-1], error.get("input")
    match error["type"]:
        case "extra_forbidden":
            known = [*(Pull.model_fields if len(error["loc"]) > 1 else PullsFile.model_fields)]
            return f"there is no field {name!r}{_near(str(name), known)}"
        case "missing":
            return f"{name} is missing: add it"
        case "string_pattern_mismatch" | "date_from_datetime_parsing" | "date_parsing":
            field = next(part for part in error["loc"] if part in Pull.model_fields)
            usual = {"since": "2024-01-31 or 30d", "revision_window": "90m, 12h or 3d"}
            return f"{given!r} is not understood: write it like {usual[str(field)]}"
        case "literal_error":
            wanted = re.findall(r"'([^']+)'", error["ctx"]["expected"])
            return f"{given!r} is not one of {', '.join(wanted)}{_near(str(given), wanted)}"
        case "tuple_type":
            return f"write a list, such as [{given}]"
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]} (it is {given!r})"


def _near(given: str, known: Iterable[str]) -> str:
    """Return the names that `given` may have been meant to be, as the end of a sentence."""
    near = get_close_matches(given.lower(), list(known), n=3, cutoff=0.5)
    return f": did you mean {' or '.join(near)}?" if near else f": there are {', '.join(known)}"


def _check_since(pulls: Iterable[Pull], now: datetime, problems: _Problems) -> None:
    """Note entries that begin in the future."""
    for number, pull in enumerate(pulls):
        start = pull.start(now)
        if start is not None and start > now:
            problems.add(
                ("pulls", number, "since"),
                f"{pull.since} is still to come: write a day that has begun, or days back (30d)",
            )


def _checked(
    pull: Pull,
    number: int,
    path: Path,
    providers: Mapping[str, Provider],
    problems: _Problems,
) -> Entry | None:
    """Return an entry that fits the vendors; None after noting why it does not."""
    before = len(problems)

    def wrong(field: str, message: str) -> None:
        problems.add(("pulls", number, field), message)

    chain = _chain(pull, providers, wrong)
    symbols = _symbols(pull, path, wrong) if pull.enabled else pull.symbols
    if len(problems) > before:
        return None
    classes: set[str | None] = set()
    for provider in chain:
        dataset = provider.datasets[pull.dataset]
        asset_class = _asset_class(pull, provider.name, dataset, wrong)
        _check_fields(
            pull, provider.name, dataset, asset_class, has_symbols=bool(symbols), wrong=wrong
        )
        classes.add(asset_class)
    if len(problems) > before:
        return None
    if len(classes) > 1:
        wrong("dataset", f"the providers have {pull.dataset} of different asset classes: name one")
        return None
    (asset_class,) = classes
    for symbol in symbols:
        if complaint := not_canonical(symbol, asset_class):
            wrong("symbols" if symbol in pull.symbols else "symbols_file", complaint)
    if len(problems) > before:
        return None
    if not pull.enabled:
        return Entry(pull, symbols, asset_class, (), "enabled is false")
    usable = tuple(p for p in chain if not _missing_secrets(p))
    return Entry(pull, symbols, asset_class, usable, _needs(chain))


def _needs(chain: Iterable[Provider]) -> str:
    """Return which variables must be set for which providers."""
    needing: dict[tuple[str, ...], list[str]] = {}
    for provider in chain:
        if names := _missing_secrets(provider):
            needing.setdefault(names, []).append(provider.name)
    return "; ".join(
        f"{', '.join(providers)} {'need' if len(providers) > 1 else 'needs'} {', '.join(names)}"
        for names, providers in needing.items()
    )


def _chain(pull: Pull, providers: Mapping[str, Provider], wrong: Wrong) -> list[Provider]:
    """Return the providers that have the dataset, after noting those that do not."""
    name = "providers" if pull.providers else "provider"
    if bool(pull.provider) == bool(pull.providers):
        wrong(name, "give provider, or several as providers")
    if len(set(pull.providers)) < len(pull.providers):
        wrong("providers", "a provider is named twice: name it once")
    chain = []
    for each in pull.chain:
        if each == INBOX:
            wrong(name, "files are landed with `tapehouse ingest inbox`: take the entry out")
        elif each not in providers:
            wrong(name, f"there is no provider {each!r}{_near(each, sorted(providers))}")
        elif pull.dataset not in providers[each].datasets:
            known = sorted(providers[each].datasets)
            wrong("dataset", f"{each} has no {pull.dataset!r}{_near(pull.dataset, known)}")
        else:
            chain.append(providers[each])
    return chain


def _check_fields(
    pull: Pull,
    provider: str,
    dataset: Dataset,
    asset_class: str | None,
    *,
    has_symbols: bool,
    wrong: Wrong,
) -> None:
    """Note fields that are missing or out of place for a dataset."""
    what = f"{dataset.name} of {provider}"
    offered = dataset.timeframes_of(asset_class)
    of_class = f" of {asset_class}" if asset_class in dataset.timeframes_by_class else ""
    for timeframe in pull.timeframes:
        if timeframe not in offered:
            it_has = f"it has {', '.join(offered)}; coarser ones are derived"
            has = it_has if offered else "leave them out"
            wrong("timeframes", f"{what} has no {timeframe}{of_class}: {has}")
    if offered and not pull.timeframes:
        wrong("timeframes", f"{what} needs timeframes: some of {', '.join(offered)}")
    if dataset.kind == "range" and pull.since is None:
        wrong("since", f"{what} needs since: the first day, or days back (30d)")
    for name in ("since", "revision_window"):
        if dataset.kind == "extract" and getattr(pull, name) is not None:
            wrong(name, f"{what} is all there is now, whatever the time: leave {name} out")
    if dataset.is_by_symbol and not has_symbols:
        wrong("symbols", f"{what} needs symbols, or a symbols_file with at least one")
    if not dataset.is_by_symbol and (pull.symbols or pull.symbols_file):
        name = "symbols" if pull.symbols else "symbols_file"
        wrong(name, f"{what} comes whole: leave {name} out")


def _asset_class(pull: Pull, provider: str, dataset: Dataset, wrong: Wrong) -> str | None:
    """Return the asset class of an entry, inferred where there is only one."""
    offered = dataset.asset_classes
    if pull.asset_class and offered and pull.asset_class not in offered:
        wrong(
            "asset_class",
            f"{provider} has {dataset.name} of {', '.join(offered)}, not of {pull.asset_class}",
        )
    if not pull.asset_class and len(offered) > 1:
        wrong("asset_class", f"{dataset.name} of {provider} needs one of {', '.join(offered)}")
    return pull.asset_class or (offered[0] if len(offered) == 1 else None)


def _symbols(pull: Pull, path: Path, wrong: Wrong) -> tuple[str, ...]:
    """Return the symbols of an entry and of its file, each once."""
    if pull.symbols_file is None:
        return tuple(dict.fromkeys(pull.symbols))
    listed = path.parent / pull.symbols_file
    try:
        from_file = read_symbols(listed)
    except PullsError as error:
        wrong("symbols_file", str(error))
        return pull.symbols
    return tuple(dict.fromkeys((*pull.symbols, *from_file)))


def read_symbols(path: Path) -> Sequence[str]:
    """Return the column `symbol` of a CSV file, each value once.

    Raises:
        PullsError: the file cannot be read, or has no such column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if SYMBOL_COLUMN not in (rows.fieldnames or ()):
                raise PullsError(f"{path} has no column {SYMBOL_COLUMN!r}: name it in line 1")
            values = [(row[SYMBOL_COLUMN] or "").strip() for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PullsError(f"{path} cannot be read: {error}") from error
    return list(dict.fromkeys(value for value in values if value))


def not_canonical(symbol: str, asset_class: str | None) -> str | None:
    """Return how a symbol should be written, or None when it is fine."""
    if not symbol or symbol != symbol.strip():
        return f"{symbol!r} has blanks around it or nothing in it: correct it"
    if asset_class is None or (example := canonical_example(symbol, asset_class)) is None:
        return None
    return (
        f"{symbol!r} is not canonical: write {_meant(symbol, asset_class) or f'it like {example}'}"
    )


def _meant(symbol: str, asset_class: str) -> str | None:
    """Return the canonical spelling that a symbol is a usual one of, if there is one."""
    parts = re.split(r"[-_/.:\s]+", symbol.upper())
    guess = ("/" if asset_class in PAIRS else ".").join(parts)
    return guess if canonical_example(guess, asset_class) is None else None


def _missing_secrets(provider: Provider) -> tuple[str, ...]:
    """Return the variables to set before a provider can be asked; many need none."""
    return tuple(getattr(provider, "missing_secrets", ()))
