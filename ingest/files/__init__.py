"""Files that people give us, of any format, as text tables of bounded size.

One module per format; a new one is a function that yields tables and a line in `READERS`. Nothing
here judges values or knows what becomes of the file.
"""

import codecs
import gzip
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from ingest.files.common import EMPTY, BadLine, PutAside, UnreadableError
from ingest.files.csv_file import csv_tables
from ingest.files.json_lines_file import good_json_lines, json_lines_tables
from ingest.files.parquet_file import parquet_tables
from ingest.provider import Dataset

__all__ = ["READERS", "BadLine", "UnreadableError", "read_tables"]

ADVICE_BY_SUFFIX = {
    ".xlsx": "save the sheet as CSV UTF-8",
    ".xls": "save the sheet as CSV UTF-8",
    ".ods": "save the sheet as CSV UTF-8",
    ".json": "write one JSON object per line and name the file .jsonl",
    ".tsv": "name the file .csv; tabs between values are fine",
    ".txt": "name the file .csv or .jsonl, whichever it is",
    ".zip": "unpack it, or compress the file itself with gzip",
}
Reader = Callable[[Path, Dataset, duckdb.DuckDBPyConnection], Iterator[pa.Table]]
READERS: Mapping[str, Reader] = {
    ".csv": csv_tables,
    ".jsonl": json_lines_tables,
    ".ndjson": json_lines_tables,
    ".parquet": parquet_tables,
}


def read_tables(
    path: Path,
    dataset: Dataset,
    connection: duckdb.DuckDBPyConnection,
    work: Path,
    *,
    put_aside: PutAside | None = None,
) -> Iterator[pa.Table]:
    """Yield the file's rows, in order, as text tables of bounded size (see `records.to_table`).

    With `put_aside` lines that are no records cost no others, where the records of a file can be
    told apart all the same; it is called before the rows after them are yielded.

    Raises:
        UnreadableError: at any point; rows yielded before must then be dropped.
    """
    packing = path.suffix if path.suffix.lower() == ".gz" else ""
    suffix = Path(path.name.removesuffix(packing)).suffix
    kind = suffix.lower()
    if kind not in READERS or (packing and kind == ".parquet"):
        advice = ADVICE_BY_SUFFIX.get(kind, "convert it to one of these")
        raise UnreadableError(
            f"{f'Files named {suffix}{packing}' if suffix else 'Files without an extension'} are"
            f" not read, only .csv, .jsonl and .ndjson (also with .gz) and .parquet: {advice}."
        )
    if path.stat().st_size == 0:
        raise UnreadableError(EMPTY)
    plain = _plain(path, work, is_packed=bool(packing))
    if put_aside is None or kind == ".parquet":
        yield from READERS[kind](plain, dataset, connection)
    elif kind == ".csv":
        yield from csv_tables(plain, dataset, connection, put_aside)
    else:
        good = good_json_lines(plain, work / "good", put_aside)
        yield from json_lines_tables(good, dataset, connection)


def _plain(path: Path, work: Path, *, is_packed: bool) -> Path:
    """Return the file, or a temporary copy without compression and byte order mark.

    DuckDB's own unpacking compares no checksums, and its JSON reader takes no byte order mark.
    """
    target = work / "plain"
    try:
        with gzip.open(path) if is_packed else path.open("rb") as source:
            start = source.read(len(codecs.BOM_UTF8))
            if not is_packed and start != codecs.BOM_UTF8:
                return path
            with target.open("wb") as copy:
                copy.write(start.removeprefix(codecs.BOM_UTF8))
                shutil.copyfileobj(source, copy, 1 << 20)
    except EOFError:
        raise UnreadableError(
            "The compressed data ends too early, as after a broken copy. Copy the file again."
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(
            f"The file is not valid gzip ({error}). Compress or copy it again, or drop the .gz"
            " from its name if it is not compressed."
        ) from None
    return target
