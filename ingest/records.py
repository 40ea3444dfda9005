"""Turn vendor records into text columns, exactly as sent, and give them a content hash.

Declared fields become columns; what is not declared is kept together as JSON in `_extra`. No value
is interpreted.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.provider import Dataset, Field, Record

EXTRA = "_extra"


class JsonNumber(str):
    """The literal text of a JSON number, so that `1.10` does not become `1.1`."""

    __slots__ = ()


def decode_json(body: str | bytes) -> Any:  # noqa: ANN401 - JSON is whatever the vendor sent
    """Decode JSON, keeping the text of numbers.

    Raises:
        json.JSONDecodeError: `body` is not JSON.
    """
    return json.loads(body, parse_float=JsonNumber, parse_int=JsonNumber, parse_constant=JsonNumber)


def to_table(records: Sequence[Record] | pa.Table, dataset: Dataset) -> pa.Table:
    """Return one text column per declared field, then `_extra` (JSON of the rest, or NULL)."""
    if isinstance(records, pa.Table):
        return _table_of_columns(records, dataset)
    columns: dict[str, list[str | None]] = {f.column: [] for f in dataset.fields}
    extra: list[str | None] = []
    for record in records:
        for declared in dataset.fields:
            columns[declared.column].append(_text(_lookup(record, declared)))
        extra.append(_undeclared(record, dataset))
    arrays = [pa.array(values, pa.string()) for values in columns.values()]
    return pa.table([*arrays, pa.array(extra, pa.string())], names=[*columns, EXTRA])


def content_hash(table: pa.Table) -> str:
    """Return the SHA-256 of a text table's values in order, independent of its chunking."""
    digest = hashlib.sha256(json.dumps(table.column_names).encode())
    for batch in table.to_batches(max_chunksize=10_000):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            digest.update(json.dumps(row, ensure_ascii=False).encode())
            digest.update(b"\n")
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


def _lookup(record: Record, declared: Field) -> Any:  # noqa: ANN401
    value: Any = record
    for part in declared.path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _undeclared(record: Record, dataset: Dataset) -> str | None:
    rest = _without(record, [f.path.split(".") for f in dataset.fields])
    return _storable(encode_json(rest)) if rest else None


def _without(value: Any, paths: Sequence[Sequence[str]]) -> dict[str, Any]:  # noqa: ANN401
    """Return what an object or array holds beside `paths`, by key or position."""
    items: Iterator[tuple[str, Any]]
    if isinstance(value, dict):
        items = iter(value.items())
    else:
        items = ((str(i), v) for i, v in enumerate(value))
    rest = {}
    for key, inner in items:
        below = [path[1:] for path in paths if path[0] == key]
        if below and isinstance(inner, dict | list | tuple) and [] not in below:
            if beside := _without(inner, below):
                rest[key] = beside
        elif not below or ([] not in below and inner is not None):
            rest[key] = inner
    return rest


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
    """Return JSON in which number literals keep the text they came with."""
    if isinstance(value, JsonNumber):
        return str(value)
    if isinstance(value, dict):
        items = (
            f"{json.dumps(str(k), ensure_ascii=False)}:{encode_json(v)}" for k, v in value.items()
        )
        return "{" + ",".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(encode_json(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)
