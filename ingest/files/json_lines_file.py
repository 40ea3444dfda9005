"""Read JSON lines, numbers with the text they have in the file."""

import json
import secrets as random_source
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from ingest.files.common import (
    EMPTY,
    BadLine,
    PutAside,
    UnreadableError,
    check_count,
    check_required,
    check_utf8,
    found_columns,
    literal,
    path_literal,
    refusal,
    select_list,
    stream,
)
from ingest.provider import Dataset

MAX_SHAPES = 10_000


def json_lines_tables(
    path: Path, dataset: Dataset, connection: duckdb.DuckDBPyConnection
) -> Iterator[pa.Table]:
    """Yield the rows of a file of JSON lines, in order, as text tables.

    Raises:
        UnreadableError: at any point; rows yielded before must then be dropped.
    """
    source = f"read_ndjson_objects({path_literal(path)}, compression = 'none')"
    try:
        shapes = connection.execute(
            f"""
            select json_keys(json) as keys, bool_and(json_type(json) = 'OBJECT')
            from {source}
            group by keys
            order by count(*) desc, keys
            limit {MAX_SHAPES + 1}
            """
        ).fetchall()
    except duckdb.Error as error:
        _explain_json(path)
        raise refusal(error) from error
    if not shapes:
        raise UnreadableError(EMPTY)
    if any(not is_object or len(keys) > len(set(keys)) for keys, is_object in shapes):
        _explain_json(path)
        raise UnreadableError("A line is not a JSON object, or an object has a key twice.")
    if len(shapes) > MAX_SHAPES:
        raise UnreadableError(
            f"The objects have more than {MAX_SHAPES:,} different sets of keys. Write every record"
            " with the same keys."
        )
    names = list(dict.fromkeys(chain.from_iterable(keys for keys, _ in shapes)))
    found = {name: names[position] for name, position in found_columns(names, dataset).items()}
    check_required(found, names, dataset)
    rows = 0
    query = _json_query(source, dataset, found, has_others=len(names) > len(found))
    for table in stream(connection, query):
        rows += table.num_rows
        yield table
    with path.open("rb") as file:
        check_count(rows, sum(1 for line in file if line.strip()))


def _json_query(
    source: str, dataset: Dataset, found: Mapping[str, str], *, has_others: bool
) -> str:
    """Return SQL that takes the objects apart, keeping the text of numbers.

    DuckDB's JSON functions read numbers and write them anew (1.10 becomes 1.1). So numbers are
    first made strings that begin with a mark, and afterwards the mark is removed.
    """
    # Long and random: the file does not contain it. It is not in what is landed.
    mark = f"\ue000{random_source.token_hex(4)}"
    pointers = ", ".join(literal(_json_pointer(key)) for key in found.values())
    values = {name: _unmarked(f"found[{i}]", mark) for i, name in enumerate(found, 1)}
    extra = None
    if has_others:
        without = literal(json.dumps(dict.fromkeys(found.values()), ensure_ascii=False))
        others = f"nullif(cast(json_merge_patch(line, {without}) as varchar), '{{}}')"
        extra = _unmarked(others, mark)
    # Valid JSON has no raw control characters, so chr(1) and chr(2) are free to tell strings
    # (first group, then both) from numbers (second group between them).
    return rf"""
        with told_apart as (
            select regexp_replace(
                cast(json as varchar),
                '("(?:[^"\\]|\\.)*")|(-?[0-9][0-9.eE+-]*)',
                '\1' || chr(1) || '\2' || chr(2),
                'g'
            ) as line
            from {source}
        ),

        marked as (
            select replace(
                replace(replace(line, chr(1) || chr(2), ''), chr(1), '"{mark}'), chr(2), '"'
            ) as line
            from told_apart
        ),

        extracted as (
            select line, json_extract_string(line, [{pointers}]) as found
            from marked
        )

        select {select_list(dataset, values, extra)}
        from extracted
    """


def _unmarked(value: str, mark: str) -> str:
    """Return SQL that gives numbers their text back, alone or inside JSON."""
    return (
        f"case when starts_with({value}, '{mark}') then substr({value}, {len(mark) + 1})"
        f" when contains({value}, '{mark}')"
        f" then regexp_replace({value}, '\"{mark}([^\"]*)\"', '\\1', 'g')"
        f" else {value} end"
    )


def _json_pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def good_json_lines(path: Path, target: Path, put_aside: PutAside) -> Path:
    """Return a file with those lines that are records: the same one where all are.

    Raises:
        UnreadableError: none is; lines were put aside all the same.
    """
    first_fault: UnreadableError | None = None
    row = good = 0
    with (
        path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file,
        target.open("w", encoding="utf-8", newline="\n") as copy,
    ):
        for number, line in enumerate(file, 1):
            row += bool(line.strip())
            try:
                _check_json(line, number)
            except UnreadableError as fault:
                first_fault = first_fault or fault
                put_aside(BadLine(number, row, str(fault), line.rstrip("\r\n")))
            else:
                good += bool(line.strip())
                copy.write(line)
    if first_fault is None:
        return path
    if not good:
        raise first_fault
    return target


def _explain_json(path: Path) -> None:
    """Read slowly what was refused, to raise `UnreadableError` with the exact line and column."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, 1):
            _check_json(line, number)


def _check_json(line: str, number: int) -> None:
    """Raise `UnreadableError`, with the column, for a line that is neither a record nor blank."""
    check_utf8(line, number)
    if not line.strip():
        return
    try:
        value = json.loads(
            line.rstrip(),
            object_pairs_hook=_Pairs,
            parse_constant=_no_constant,
            parse_int=str,
            parse_float=str,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"Line {number}, column {error.colno}: not valid JSON ({error.msg})."
            " Write every record as one object on a line of its own, without an array"
            " around them."
        ) from None
    except UnicodeEncodeError:
        raise UnreadableError(
            f"Line {number}: an escape (\\ud800 to \\udfff) that is half a character. Correct it."
        ) from None
    except _ConstantError as error:
        raise UnreadableError(
            f"Line {number}: not valid JSON ({error} is no JSON). Leave the value out."
        ) from None
    except RecursionError:
        raise UnreadableError(
            f"Line {number}: nested too deeply. Write every record as one flat object."
        ) from None
    if not isinstance(value, _Pairs):
        kind = "an array" if isinstance(value, list) else "a single value"
        raise UnreadableError(
            f"Line {number}: {kind}, not an object. Write every record as {{...}} on a line"
            " of its own."
        )
    for key, count in Counter(key for key, _ in value).items():
        if count > 1:
            raise UnreadableError(
                f"Line {number}: the key {key!r} is there {count} times. Keep one."
            )


class _ConstantError(Exception):
    """What Python reads although JSON does not have it, such as NaN."""


def _no_constant(name: str) -> None:
    raise _ConstantError(name)


class _Pairs(list[tuple[str, object]]):
    """The keys and values of a JSON object, repeated keys included."""
