"""Whatever comes back for a question, of every dataset: it is landed, put aside, or explained.

Answers are spoilt in every way: other bytes, other JSON, and good answers with something in them
changed. The loader never fails for it, lands an answer whole or not at all, and loses no row.
"""

import csv
import io
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from operator import getitem
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.backfill import Ask, LandingReport, land_all
from ingest.http import Policy
from ingest.lake import Lake
from ingest.limits import RateLimit
from ingest.provider import Request
from ingest.settings import DataDir, Environment
from tests.fake_vendors.server import UNLIMITED, Fault
from tests.ingest.truths import NOW, TRUTHS, Kind, Truth

HASTY = Policy(
    limits=(RateLimit(10_000, per_seconds=1),),
    attempts=3,
    backoff_seconds=0.001,
    backoff_max_seconds=0.002,
    failures_to_open=1000,
)
CSV = {("alpha_vantage", "splits"), ("alpha_vantage", "listings")}
ONE_RECORD = {("alpha_vantage", "company_overviews")}
"""Answers that are one record by themselves."""

ASKED_SECOND = {("reddit", "posts"), ("sec_edgar", "company_facts"), ("oanda", "instruments")}
"""What is asked for after something else: a token, a number, an account."""

DEEP, TOO_DEEP = 300, 50_000
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["\ud83d", "\x00", "", "9" * 400, "9999-12-31T23:59:59Z", "0001-01-01"])
    | st.sampled_from([10**18, -(10**18), 1e300, -1e300, 253402300799, -62135596800])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
).map(json.dumps)
VALUES = JSON | st.sampled_from(
    ["[" * DEEP + "]" * DEEP, "[" * TOO_DEEP + "]" * TOO_DEEP, "1e999", "-0", "9" * 5000, "NaN"]
)
"""JSON texts, and such as some take for JSON."""

JUNK = "\0junk\0"

Spoil: TypeAlias = "Callable[[random.Random, Case, str], Fault]"
"""Return an answer of chance, with a text that may be no JSON in it."""

RowSpoiler: TypeAlias = "Callable[..., str]"
"""Change a good answer by a text and chance; with `is_whole`, put the text in place of a row."""


@dataclass
class Case:
    """One question to one vendor, and how many rows its good answers have."""

    truth: Truth
    kind: Kind
    request: Request
    row_count: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.kind.name, self.request.dataset

    @property
    def content_type(self) -> str:
        return "text/csv" if self.key in CSV else "application/json"


@dataclass(frozen=True)
class Landing:
    """What came of one run."""

    report: LandingReport
    rows: int
    letters: int
    whole_letters: int


def land(case: Case, folder: Path) -> Landing:
    """Ask once, and check that what is there is whole and as the report says."""
    environment = Environment(case.truth.environment)
    provider = case.kind(environment, lambda: NOW, policy=HASTY)
    data = DataDir(folder)
    lake = Lake(data, lambda: NOW)
    (report,) = land_all([Ask(provider, case.request)], lake, clock=lambda: NOW)
    rows = 0
    for batch in lake.batches():
        table = pq.read_table(lake.path(batch))
        assert table.num_rows == batch.rows == sum(entry.records for entry in batch.entries)
        rows += table.num_rows
    letters = [json.loads(path.read_text()) for path in data.dead_letter.rglob("*.json")]
    assert all(letter["error"] for letter in letters)
    rejected = sum(entry.dead_letters for batch in lake.batches() for entry in batch.entries)
    assert rejected == report.dead_letters
    assert rejected <= len(letters) <= rejected + len(report.failures)
    assert bool(rejected) <= bool(report.partial), "what is not whole is asked for again"
    for failure in report.failures:
        assert failure.error
    assert report.failures or lake.batches(), "a question without an answer"
    assert not (report.failures and rows), "half of an answer"
    return Landing(report, rows, rejected, len(letters) - rejected)


def cases() -> Iterator[tuple[str, int]]:
    """Yield a vendor's name and the position of each dataset's first question."""
    for name, make in TRUTHS.items():
        seen = set()
        for position, (kind, request) in enumerate(make().wanted):
            if (kind, request.dataset) not in seen:
                seen.add((kind, request.dataset))
                yield name, position


@contextmanager
def opened(name: str, position: int) -> Iterator[Case]:
    """Run a vendor, and ask it once while it behaves."""
    truth = TRUTHS[name]()
    truth.vendor.limits = UNLIMITED
    kind, wanted = truth.wanted[position]
    with truth.vendor.running(), TemporaryDirectory() as folder:
        first = next(iter(kind(Environment({}), lambda: NOW).split(wanted)))
        case = Case(truth, kind, first)
        good = land(case, Path(folder))
        assert good.report.is_complete
        assert good.rows
        yield replace(case, row_count=good.rows)


@pytest.fixture(scope="module", params=cases(), ids=lambda it: f"{it[0]}-{it[1]}")
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    with opened(*request.param) as made:
        yield made


@pytest.fixture
def named(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Return the case of a provider and its dataset, told as one text."""
    for name, position in cases():
        kind, wanted = TRUTHS[name]().wanted[position]
        if f"{kind.name} {wanted.dataset}" == request.param:
            with opened(name, position) as made:
                yield made


# -- what is spoilt --------------------------------------------------------------------------------


def any_bytes(chance: random.Random, _case: Case, _junk: str) -> Fault:
    """Send what may be no text at all."""
    body = chance.randbytes(chance.randrange(80))
    types = ("application/json", "text/csv", "text/html", "application/zip", "")
    return Fault(
        body=chance.choice([b"", b"{", b"[", b"PK\3\4"]) + body, content_type=chance.choice(types)
    )


def any_json(chance: random.Random, _case: Case, junk: str) -> Fault:
    """Send JSON of any shape, or in the shape of the vendor's envelope."""
    keys = ("bars", "result", "data", "error", "Meta Data", "feed", "news", "candles", "facts")
    if chance.random() < 0.5:
        junk = f'{{"{chance.choice(keys)}": {junk}, "{chance.choice(keys)}s": []}}'
    return Fault(body=junk)


def any_part(chance: random.Random, case: Case, junk: str) -> Fault:
    """Change any part of a good answer: a value, a key, an element, or some of its text."""
    change = chance.choice([replaced, dropped, doubled_key, edited])
    seed = chance.random()
    return Fault(
        change=lambda text: change(text, junk, random.Random(seed)),  # noqa: S311
        content_type=case.content_type,
    )


def any_row(chance: random.Random, case: Case, junk: str) -> Fault:
    """Change one row of a good answer, or one value in it."""
    seed, spoil_row = chance.random(), row_spoiler(case)
    return Fault(
        change=lambda text: spoil_row(text, junk, random.Random(seed)),  # noqa: S311
        content_type=case.content_type,
    )


def row_spoiler(case: Case) -> "RowSpoiler":
    """Return what puts something in the place of a row, in the way of the dataset's answers."""
    if case.key in CSV:
        return with_junk_line
    return with_junk_record if case.key in ONE_RECORD else with_junk_row


def replaced(text: str, junk: str, chance: random.Random) -> str:
    return _with(text, lambda body: _put(body, chance.choice(list(_places(body)))), junk)


def dropped(text: str, junk: str, chance: random.Random) -> str:
    def drop(body: Any) -> Any:  # noqa: ANN401 - any JSON
        places = [place for place in _places(body) if place]
        if places:
            *above, last = chance.choice(places)
            del _at(body, above)[last]
        return body

    return _with(text, drop, junk)


def doubled_key(text: str, junk: str, chance: random.Random) -> str:
    keys = [found.start() for found in re.finditer(r'"[^"]+":', text)]
    at = chance.choice(keys) if keys else 0
    return f"{text[:at]}{text[at:].partition(':')[0]}:{junk},{text[at:]}" if keys else text + text


def edited(text: str, junk: str, chance: random.Random) -> str:
    """Cut something out of the text and put something else in its place."""
    start = chance.randrange(len(text) + 1)
    return (
        text[:start]
        + chance.choice(["", junk, ",", "]", "\n"])
        + text[start + chance.randrange(9) :]
    )


def with_junk_row(text: str, junk: str, chance: random.Random, *, is_whole: bool = False) -> str:
    """Put something in the place of a value in a row, or of a whole row."""

    def spoil_one(body: Any) -> Any:  # noqa: ANN401 - any JSON
        tables = [place for place in _places(body) if _is_table(_at(body, place))]
        if not tables:
            return body
        place = max(tables, key=lambda each: len(_at(body, each)))
        rows = _at(body, place)
        row = (*place, chance.choice(list(rows) if isinstance(rows, dict) else range(len(rows))))
        inner = [*row, *chance.choice(list(_places(_at(body, row))))]
        return _put(body, inner if not is_whole and chance.random() < 0.7 else row)

    return _with(text, spoil_one, junk)


def with_junk_line(text: str, junk: str, chance: random.Random, *, is_whole: bool = False) -> str:
    """Put something in the place of a value in a line of a table, or of a whole line.

    A value may hold what CSV is made of; a line is as it comes, and may be no CSV.
    """
    header, *lines = csv.reader(io.StringIO(text))
    position = chance.randrange(len(lines))
    if not is_whole and chance.random() < 0.7:
        value = junk + chance.choice(["", ",", "\n", '"', "\r\n,"])
        lines[position][chance.randrange(len(header))] = value
        return _csv_text([header, *lines])
    return _csv_text([header, *lines[:position]]) + f"{junk}\n" + _csv_text(lines[position + 1 :])


def _csv_text(lines: Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(lines)
    return written.getvalue()


def with_junk_record(text: str, junk: str, chance: random.Random, *, is_whole: bool = False) -> str:
    """Put something in the place of a value of the one record, or of the record itself."""
    return _with(
        text,
        lambda body: _put(body, () if is_whole else (chance.choice(list(body)),)),
        junk,
    )


def _is_table(value: Any) -> bool:  # noqa: ANN401
    rows = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    kinds = {type(row) for row in rows}
    return len(kinds) == 1 and kinds <= {dict, list}


def _with(text: str, change: Callable[[Any], Any], junk: str) -> str:
    """Return an answer in JSON changed, with a text that may be no JSON where `JUNK` was put."""
    try:
        body = json.loads(text)
    except ValueError:
        return text[: len(text) // 2] + junk
    return json.dumps(change(body)).replace(json.dumps(JUNK), junk)


def _put(body: Any, place: Sequence[Any]) -> Any:  # noqa: ANN401
    if not place:
        return JUNK
    *above, last = place
    _at(body, above)[last] = JUNK
    return body


def _at(body: Any, place: Sequence[Any]) -> Any:  # noqa: ANN401
    return reduce(getitem, place, body)


def _places(value: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    yield ()
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            for place in _places(inner):
                yield (key, *place)


# -- what comes of it ------------------------------------------------------------------------------

SPOIL = (any_bytes, any_json, any_part, any_row)


@pytest.mark.parametrize("examples", [5, pytest.param(200, marks=pytest.mark.weekly)])
def test_a_spoilt_answer_is_landed_put_aside_or_explained(case: Case, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(
        spoil=st.sampled_from(SPOIL),
        skip=st.integers(0, 2),
        seed=st.integers(0, 10**6),
        junk=VALUES,
    )
    def check(spoil: Spoil, skip: int, seed: int, junk: str) -> None:
        good = Fault(content_type=case.content_type)
        fault = spoil(random.Random(seed), case, junk)  # noqa: S311 - not for secrets
        outcome = spoilt(case, *[good] * skip, fault)
        if spoil is any_row and not outcome.report.failures:
            found = outcome.rows + outcome.letters
            # One more where the row was beside what was asked for, and would have been left out.
            assert case.row_count <= found <= case.row_count + 1

    check()


def spoilt(case: Case, *faults: Fault) -> Landing:
    """Ask once, and get these answers first."""
    case.truth.vendor.recover()
    case.truth.vendor.fail("", *faults)
    with TemporaryDirectory() as folder:
        return land(case, Path(folder))


def test_what_is_no_row_is_put_aside_and_the_others_land(case: Case) -> None:
    chance = random.Random(1)  # noqa: S311 - not for secrets

    def change(text: str) -> str:
        return row_spoiler(case)(text, '"gone"', chance, is_whole=True)

    fault = Fault(change=change, content_type=case.content_type)
    outcome = spoilt(case, *[Fault()] * (case.key in ASKED_SECOND), fault)
    if case.key in ONE_RECORD:  # there are no others
        (failure,) = outcome.report.failures
        assert not failure.is_terminal
        assert (outcome.rows, outcome.letters, outcome.whole_letters) == (0, 0, 1)
        return
    assert outcome.report.failures == []
    assert len(outcome.report.partial) == outcome.letters == 1
    assert outcome.rows in (case.row_count - 1, case.row_count)  # it was beside what was asked for


HUGE = "9" * 30
FAR_AWAY = (
    Fault(429, "{}", headers={"Retry-After": HUGE}),
    Fault(418, "{}", headers={"Retry-After": HUGE}),
    Fault(418, "{}", headers={"Retry-After": "\u00b2"}),
    Fault(503, "{}", headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}),
    Fault(429, "{}", headers={"x-ratelimit-reset": HUGE, "x-ratelimit-remaining": "0"}),
    Fault(429, "{}", headers={"X-Ratelimit-Remaining": "9" * 5000}),
)


@pytest.mark.parametrize("name", TRUTHS)
def test_waits_beyond_reason_are_no_reason_to_fail(name: str) -> None:
    with opened(name, 0) as first:
        for fault in FAR_AWAY:
            spoilt(first, fault)


UNFINISHED = '{"complete":false,"time":"9999-12-31T23:59:59Z"}'
WRONG: Mapping[str, tuple[Fault, ...]] = {
    "alpaca bars": tuple(
        Fault(body=f'{{"bars":{bars},"next_page_token":null}}')
        for bars in ("[[1]]", '""', "false", '{"AAPL":{}}', '{"AAPL":0}', '{"OTHER":[]}')
    ),
    "alpaca corporate_actions": (
        Fault(body='{"corporate_actions":[],"next_page_token":null}'),
        Fault(body='{"corporate_actions":{"cash_dividends":null},"next_page_token":null}'),
    ),
    "alpaca news": (Fault(body='{"news":{},"next_page_token":null}'),),
    "alpha_vantage company_overviews": (Fault(body='{"unexpected":1}'),),
    "sec_edgar companies": (Fault(body='{"fields":["cik"],"data":[[1]]}'),),
}


@pytest.mark.parametrize("named", WRONG, indirect=True)
def test_another_shape_is_no_answer_without_rows(named: Case) -> None:
    for fault in WRONG[" ".join(named.key)]:
        outcome = spoilt(named, fault)
        (failure,) = outcome.report.failures
        assert not failure.is_terminal
        assert outcome.rows == 0


NUMBER = "9" * 5000
EXTREME = {
    "oanda bars": (f'{{"instrument":"EUR_USD","granularity":"H1","candles":[{UNFINISHED}]}}', 1),
    "kraken bars": (
        '{"error":[],"result":{"XXBTZUSD":['
        + ",".join(f"[-{number}{'0' * 15},1,1,1,1,1,1,1]" for number in range(1, 721))
        + '],"last":1}}',
        720,
    ),
    "binance bars": (f'[[{NUMBER},"1","1","1","1","1",{NUMBER},"1",1,"1","1","0"]]', 1),
    "coinbase bars": (f"[[{NUMBER},1,1,1,1,1]]", 1),
    "sec_edgar companies": (
        json.dumps({"fields": ["cik", "name", "ticker", "exchange"], "data": "rows"}).replace(
            '"rows"', f'[[{NUMBER},"A","AAPL","N"],[1,"B","IBM",null]]'
        ),
        2,
    ),
}
"""By dataset: an answer that nobody can count with, and its rows."""


@pytest.mark.parametrize("named", EXTREME, indirect=True)
def test_times_and_numbers_beyond_reason_are_landed_for_sql_to_judge(named: Case) -> None:
    body, rows = EXTREME[" ".join(named.key)]
    outcome = spoilt(named, Fault(body=body))
    assert outcome.report.failures == []
    assert outcome.rows == rows
