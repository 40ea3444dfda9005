"""What all file formats share: which columns are there, and what is said when a file is refused.

Not for reading any one format.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from ingest.lake import ROW_GROUP_ROWS
from ingest.provider import Dataset
from ingest.records import EXTRA

EMPTY = "The file is empty. Export it again."
OTHER_NAMES = {
    "asset_class": ("class", "asset", "asset_type", "security_type"),
    "symbol": ("ticker", "instrument", "pair"),
    "timeframe": ("interval", "period", "resolution", "frequency"),
    "bar_start_at": ("timestamp", "datetime", "date", "time", "start", "t"),
    "open": ("o",),
    "high": ("h",),
    "low": ("l",),
    "close": ("c", "last", "price"),
    "volume": ("v", "vol", "size"),
}
"""What people call a column when they do not call it by its name."""


@dataclass(frozen=True)
class BadLine:
    """A line that is no record; `row` is the row of the file that it would have been, from 1."""

    line: int
    row: int
    error: str
    text: str


PutAside = Callable[[BadLine], None]
"""Takes the lines that are no records, where the others are wanted all the same."""


class UnreadableError(Exception):
    """The file cannot be read; the message says where and what to do."""


def found_columns(names: Sequence[str], dataset: Dataset) -> dict[str, int]:
    """Return the position of each declared column, ignoring case and surrounding spaces.

    Raises:
        UnreadableError: a declared column is there more than once.
    """
    normal = [name.strip().lower() for name in names]
    declared = {field.column for field in dataset.fields}
    if doubled := [name for name, count in Counter(normal).items() if count > 1]:
        for name in declared.intersection(doubled):
            alike = [repr(names[i]) for i, other in enumerate(normal) if other == name]
            raise UnreadableError(
                f"Column {name!r} is there {len(alike)} times ({', '.join(alike)}). Keep one."
            )
    return {name: position for position, name in enumerate(normal) if name in declared}


def check_required(found: Mapping[str, object], names: Sequence[str], dataset: Dataset) -> None:
    """Raise `UnreadableError`, naming columns with similar names, when a column is missing."""
    required = [
        field.column for field in dataset.fields if field.column not in dataset.optional_columns
    ]
    missing = [name for name in required if name not in found]
    if not missing:
        return
    by_normal = {name.strip().lower(): name for name in names}
    hints: list[str] = []
    for name in missing:
        candidates = [other for other in by_normal if other not in found]
        alike = [other for other in OTHER_NAMES.get(name, ()) if other in candidates]
        alike += difflib.get_close_matches(name, candidates, n=1)
        hints += [f"Is {by_normal[alike[0]]!r} meant to be {name!r}? Rename it."] if alike else []
    text = ", ".join(repr(name) for name in missing)
    lead = f"Column {text} is missing" if len(missing) == 1 else f"Columns {text} are missing"
    listed = ", ".join(repr(name) for name in names)
    raise UnreadableError(" ".join([f"{lead}. Columns found: {listed}.", *hints]))


def select_list(dataset: Dataset, values: Mapping[str, str], extra: str | None) -> str:
    """Return a select list of the declared columns and `_extra` from SQL expressions."""
    columns = [
        f"{values.get(field.column, 'null::varchar')} as {field.column}" for field in dataset.fields
    ]
    return ", ".join([*columns, f"{extra or 'null::varchar'} as {EXTRA}"])


def stream(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.Table]:
    """Yield a query's rows, in order, while it runs.

    Raises:
        UnreadableError: DuckDB does not accept the data; the message is DuckDB's own.
    """
    try:
        reader = connection.sql(query).to_arrow_reader(ROW_GROUP_ROWS)
        for chunk in reader:
            yield pa.Table.from_batches([chunk])
    # Arrow passes on what DuckDB raises after the first rows as OSError.
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise refusal(error) from error


def refusal(error: Exception) -> UnreadableError:
    """Return what DuckDB has against the data; raise what is not the data's fault again."""
    text = str(error)
    if text.startswith(("Out of Memory Error", "IO Error", "Interrupt Error")):
        raise error
    reason = re.split(r"\n\s*\n|\nPossible|\n +file = ", text)[0].replace("\n", " ").rstrip(". ")
    return UnreadableError(f"{reason}. Correct it or export the file again.")


def check_count(read: int, there: int) -> None:
    """Raise `UnreadableError` when DuckDB did not see all there is."""
    if read != there:
        raise UnreadableError(
            f"{read:,} records could be read of {there:,}. Export the file again."
        )


def literal(text: str) -> str:
    """Return text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def path_literal(path: Path) -> str:
    """Return the path as SQL text, safe from being taken for a pattern."""
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def check_utf8(line: str, number: int) -> None:
    """Raise `UnreadableError` for a line that was decoded with escapes for bad bytes."""
    if not line.isascii() and (bad := re.search("[\udc80-\udcff]", line)):
        byte = ord(bad[0]) - 0xDC00
        raise UnreadableError(
            f"Line {number}, column {bad.start() + 1}: byte 0x{byte:02x} is not UTF-8."
            " Save the file as UTF-8."
        )
