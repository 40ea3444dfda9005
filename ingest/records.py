"""Turn vendor records into text columns, exactly as sent, and give them a content hash.

Declared fields become columns; what is not declared is kept together as JSON in `_extra`. No value
is interpreted.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.provider import Dataset, Field, Record

EXTRA = "_extra"


class JsonNumber(str):
    """The literal text of a JSON number, so that `1.10` does not become `1.1`."""

    __slots__ = ()


TEXTS = {str, JsonNumber, type(None)}
"""Types of values that are text as they are."""


def decode_json(body: str | bytes) -> Any:  # noqa: ANN401 - JSON is whatever the vendor sent
    """Decode JSON, keeping the text of numbers.

    Raises:
        json.JSONDecodeError: `body` is not JSON, an object in it says the same key twice, or it is
            nested beyond all measure.
    """
    try:
        return json.loads(
            body,
            parse_float=JsonNumber,
            parse_int=JsonNumber,
            parse_constant=JsonNumber,
            object_pairs_hook=_object,
        )
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    decoded = dict(pairs)
    if len(decoded) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise json.JSONDecodeError(f"key {doubled!r} twice in one object", "", 0)
    return decoded


def to_table(records: Sequence[Record] | pa.Table, dataset: Dataset) -> pa.Table:
    """Return one text column per declared field, then `_extra` (JSON of the rest, or NULL)."""
    if isinstance(records, pa.Table):
        return _table_of_columns(records, dataset)
    layout = _layout(dataset.fields)
    arrays = [_text_array(_values(records, f.path)) for f in dataset.fields]
    extra = [_undeclared(record, layout) for record in records]
    return pa.table(
        [*arrays, pa.array(extra, pa.string())], names=[*(f.column for f in dataset.fields), EXTRA]
    )


def content_hash(table: pa.Table) -> str:
    """Return the SHA-256 of a text table's values in order, independent of its chunking."""
    digest = hashlib.sha256(json.dumps([table.num_rows, *table.column_names]).encode())
    for column in table.columns:
        values = pc.cast(column, pa.large_string()).combine_chunks()
        lengths = pc.fill_null(pc.binary_length(values), -1)
        digest.update(np.asarray(lengths, np.int64).data)
        text = pc.fill_null(values, "")  # what a NULL's slot holds is undefined
        _, offsets, content = text.buffers()
        if content is not None and len(text):
            ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
            digest.update(memoryview(content)[ends[0] : ends[-1]])
    return f"sha256:{digest.hexdigest()}"


def _table_of_columns(table: pa.Table, dataset: Dataset) -> pa.Table:
    rows = table.num_rows
    arrays = [
        pc.cast(table[f.path], pa.string())
        if f.path in table.column_names
        else pa.nulls(rows, pa.string())
        for f in dataset.fields
    ]
    declared = {f.path for f in dataset.fields}
    others = [name for name in table.column_names if name not in declared]
    extra = (
        pa.array([encode_json(row) for row in table.select(others).to_pylist()], pa.string())
        if others
        else pa.nulls(rows, pa.string())
    )
    return pa.table([*arrays, extra], names=[*(f.column for f in dataset.fields), EXTRA])


def _values(records: Sequence[Record], path: str) -> list[Any]:
    """Return what each record holds at `path`, or None."""
    parts = path.split(".")
    if len(parts) == 1 and all(type(record) is dict for record in records):
        return [record.get(path) for record in records]  # type: ignore[union-attr]
    if path.isdigit() and all(type(record) is list for record in records):
        at = int(path)
        return [record[at] if at < len(record) else None for record in records]  # type: ignore[index]
    return [_lookup(record, parts) for record in records]


def _lookup(record: Record, parts: Sequence[str]) -> Any:  # noqa: ANN401
    value: Any = record
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


@dataclass(frozen=True)
class _Layout:
    """Declared paths as a tree: a key or position is declared whole, or parts below it are."""

    whole: frozenset[str]
    parts: Mapping[str, "_Layout"]
    first_positions: int
    """How many positions from the first on are declared whole, without a gap."""


@cache
def _layout(declared: tuple[Field, ...]) -> _Layout:
    return _tree([f.path.split(".") for f in declared])


def _tree(paths: Sequence[Sequence[str]]) -> _Layout:
    whole = frozenset(path[0] for path in paths if len(path) == 1)
    below = {path[0] for path in paths} - whole
    positions = next(n for n in count() if str(n) not in whole)
    parts = {key: _tree([path[1:] for path in paths if path[0] == key]) for key in below}
    return _Layout(whole, parts, positions)


def _undeclared(record: Record, layout: _Layout) -> str | None:
    rest = _without(record, layout)
    return _storable(encode_json(rest)) if rest else None


def _without(value: Any, layout: _Layout) -> dict[str, Any]:  # noqa: ANN401
    """Return what an object or array holds beside what is declared, by key or position."""
    items: Iterable[tuple[str, Any]]
    if isinstance(value, dict):
        if value.keys() <= layout.whole:
            return {}
        items = value.items()
    elif len(value) <= layout.first_positions:
        return {}
    else:
        items = ((str(i), v) for i, v in enumerate(value))
    rest = {}
    for key, inner in items:
        if key in layout.whole:
            continue
        below = layout.parts.get(key)
        if below is None:
            rest[key] = inner
        elif isinstance(inner, dict | list | tuple):
            if beside := _without(inner, below):
                rest[key] = beside
        elif inner is not None:
            rest[key] = inner
    return rest


def _text_array(values: list[Any]) -> pa.Array:
    if set(map(type, values)) <= TEXTS:
        try:
            return pa.array(values, pa.string())
        except UnicodeEncodeError:  # half a surrogate pair
            return pa.array([_text(value) for value in values], pa.string())
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:  # noqa: ANN401
    if value is None:
        return None
    if isinstance(value, str):
        return _storable(str(value))
    if isinstance(value, bool | dict | list | tuple):
        return _storable(encode_json(value))
    return repr(value) if isinstance(value, float) else str(value)


def _storable(text: str) -> str:
    r"""Return `text` with half surrogate pairs, which UTF-8 cannot hold, as their escapes.

    JSON allows `"\ud83d"` alone, and one such record must not cost the batch.
    """
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def encode_json(value: Any) -> str:  # noqa: ANN401
    """Return JSON in which number literals keep the text they came with, however deep it is."""
    parts: list[str] = []
    # What is still to be written, last first: values, and text that is written as it is.
    waiting: list[tuple[bool, Any]] = [(False, value)]
    while waiting:
        is_text, item = waiting.pop()
        if is_text:
            parts.append(item)
        elif isinstance(item, dict):
            pieces: list[tuple[bool, Any]] = []
            for key, inner in item.items():
                comma = "," if pieces else "{"
                pieces.append((True, f"{comma}{json.dumps(str(key), ensure_ascii=False)}:"))
                pieces.append((False, inner))
            pieces.append((True, "}" if pieces else "{}"))
            waiting += reversed(pieces)
        elif isinstance(item, list | tuple):
            pieces = []
            for inner in item:
                pieces += [(True, "," if pieces else "["), (False, inner)]
            pieces.append((True, "]" if pieces else "[]"))
            waiting += reversed(pieces)
        else:
            parts.append(_scalar(item))
    return "".join(parts)


def _scalar(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, JsonNumber):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
