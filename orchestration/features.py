"""Features as files: one immutable Parquet snapshot per session date, from the published version.

    <data>/features/snapshot_date=YYYY-MM-DD/features.parquet
        the rows of `gold.ml_features` of that session date, by instrument
    <data>/features/_schemas/<version>-<start of the schema's hash>.json
        version, columns, types and descriptions, of the snapshots whose metadata say the same

Labels are never exported with them. A date is settled, and can be exported, once something was
fetched a day or more after its end (UTC), and so were the bars of that date of each asset class
that is asked on schedule: by then its last bars are in. A class that nobody asked for a month is
not waited for. A snapshot is never written over by itself: what would differ is reported, and
`force` replaces it. One that cannot be read, as the machine stopped while it was written, is none.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingest.clock import Clock, utc_now
from ingest.fault_points import reached
from ingest.lake import write_synced
from ingest.locks import exclusive
from ingest.settings import DataDir
from orchestration import publication

SCHEMA, TABLE = "gold", "ml_features"
FILE = "features.parquet"
KEY, DATE, VERSION = "instrument_id", "session_date", "features_version"
ROW_GROUP_ROWS = 65_536
SETTLES_AFTER = timedelta(days=2)
"""From the start of a date: its end, and a day more."""
WAITS_FOR = timedelta(days=30)
"""How long a date waits for an asset class that is asked no more."""
TOLERANCE = 1e-9
"""Relative: sums of floating-point numbers may be added up in another order by another build."""
NEAR_ZERO = 1e-9

Outcome = Literal["written", "unchanged", "replaced", "differs"]


class FeaturesError(RuntimeError):
    """Nothing could be exported; the message says why and what to do."""


@dataclass(frozen=True)
class Snapshot:
    """What came of one date: its file, and how its content would differ from what is asked for."""

    date: date
    path: Path
    rows: int
    outcome: Outcome
    difference: str = ""


@dataclass(frozen=True)
class Settled:
    """Until which date features are settled: of everything, and of asset classes that are late."""

    everything: date
    late: Mapping[str, date]

    @property
    def until(self) -> date:
        """Return the last date that is settled."""
        return min((self.everything, *self.late.values()))

    def waits_for(self, day: date) -> str:
        """Return the asset classes whose bars of a date were not asked yet, and nothing if none."""
        return ", ".join(
            f"{asset_class} bars (asked to the end of {until})"
            for asset_class, until in sorted(self.late.items())
            if until < day
        )


def export_features(
    data: DataDir,
    *,
    only: date | None = None,
    since: date | None = None,
    force: bool = False,
    clock: Clock = utc_now,
) -> Sequence[Snapshot]:
    """Export the settled session dates of the published version that have no snapshot yet.

    Those that have one are compared with it. `only` and `since` narrow the dates; `force` replaces
    snapshots that differ.

    Raises:
        FeaturesError: nothing is published, or `only` has no rows or is not settled yet.
        LockedError: another export is at work.
    """
    path = publication.current_path(data)
    if path is None:
        raise FeaturesError("nothing is published yet; run `make demo` or `tapehouse build`")
    data.features.mkdir(parents=True, exist_ok=True)
    with (
        exclusive(data.features / ".lock", "tapehouse export-features", clock),
        closing(_connect(path)) as connection,
    ):
        columns = _columns(connection)
        dates = _wanted(connection, only, since)
        snapshots: list[Snapshot] = []
        # Year by year, to hold little at once.
        for _, of_year in groupby(dates, key=lambda day: day.year):
            snapshots += _export(connection, data, list(of_year), columns, force=force)
        os.sync()
    return snapshots


def unsettled(data: DataDir) -> str:
    """Return what the features of the published version wait for, if it is but some asset class."""
    path = publication.current_path(data)
    if path is None:
        return ""
    with closing(_connect(path)) as connection:
        settled = _settled(connection)
        newest = _one(
            connection,
            f"select max({DATE}) from {SCHEMA}.{TABLE} where {DATE} <= date '{settled.everything}'",
        )
    if newest is None or newest <= settled.until:
        return ""
    return f"dates after {settled.until} wait for {settled.waits_for(newest)}"


def snapshot_path(data: DataDir, day: date) -> Path:
    """Return the file of a date's snapshot."""
    return data.features / f"snapshot_date={day.isoformat()}" / FILE


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), read_only=True)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _wanted(
    connection: duckdb.DuckDBPyConnection, only: date | None, since: date | None
) -> list[date]:
    """Return the session dates to look at, in order."""
    if not _columns(connection):
        raise FeaturesError(
            "the published version has no features; run `tapehouse build` and `tapehouse publish`"
        )
    settled = _settled(connection)
    found = [
        day
        for (day,) in connection.execute(
            f"select distinct {DATE} from {SCHEMA}.{TABLE} order by all"
        ).fetchall()
    ]
    if only is None:
        return [day for day in found if day <= settled.until and (since is None or day >= since)]
    if only not in found:
        newest_date = f"; the newest is {found[-1]}" if found else ""
        raise FeaturesError(f"there are no features of {only}{newest_date}")
    if waits_for := settled.waits_for(only):
        raise FeaturesError(
            f"{only} is not settled: it waits for {waits_for};"
            " fetch and build after that, then export it"
        )
    if only > settled.everything:
        raise FeaturesError(
            f"{only} is not settled: more of it may be fetched until {only + SETTLES_AFTER};"
            " fetch and build after that, then export it"
        )
    return [only]


def _settled(connection: duckdb.DuckDBPyConnection) -> Settled:
    """Return until when dates are settled, by the ledger.

    What was asked of a range settles what ended in it; a stream has no range, but its time.
    """
    newest = _one(connection, "select max(fetched_at) from ops.load_batches")
    if not isinstance(newest, datetime):
        return Settled(date.min, {})
    everything = (newest - SETTLES_AFTER).date()
    asked = connection.execute(
        """
        select
            series.asset_class,
            cast(
                max(
                    least(
                        requests.fetched_at - to_seconds($settles_after),
                        coalesce(requests.covered_until, requests.fetched_at) - interval 1 day
                    )
                ) as date
            ) as settled_until
        from ops.load_requests as requests
        inner join rules.dataset_freshness as freshness
            on
                requests.provider = freshness.provider
                and requests.dataset = freshness.dataset
                and not freshness.is_static
        inner join (
            select distinct provider, _symbol, asset_class from silver.int_bars__series
        ) as series
            on requests.provider = series.provider and requests.symbol = series._symbol
        where requests.dataset = 'bars' and requests.is_complete
        group by series.asset_class
        having max(requests.fetched_at) >= $waited_since
        """,
        {"settles_after": SETTLES_AFTER.total_seconds(), "waited_since": newest - WAITS_FOR},
    ).fetchall()
    return Settled(everything, {name: until for name, until in asked if until < everything})


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the description of each column, in order."""
    return {
        name: comment or ""
        for name, comment in connection.execute(
            "select column_name, comment from duckdb_columns() where database_name ="
            " current_database() and schema_name = ? and table_name = ? order by column_index",
            [SCHEMA, TABLE],
        ).fetchall()
    }


def _export(
    connection: duckdb.DuckDBPyConnection,
    data: DataDir,
    dates: Sequence[date],
    columns: Mapping[str, str],
    *,
    force: bool,
) -> Iterator[Snapshot]:
    """Settle on the snapshots of some dates, and say what came of each."""
    rows = connection.sql(
        f"select * from {SCHEMA}.{TABLE} where {DATE} between ? and ? order by {DATE}, {KEY}",
        params=[dates[0], dates[-1]],
    ).to_arrow_table()
    tables = _by_date(rows)
    there = [day for day in dates if snapshot_path(data, day).exists()]
    stand = not force and _stand(connection, data, {day: tables[day] for day in there})
    for day in dates:
        if stand and day in there:
            path = snapshot_path(data, day)
            yield Snapshot(day, path, tables[day].num_rows, "unchanged")
        else:
            yield _settle_on(data, day, tables[day], columns, force=force)


def _by_date(rows: pa.Table) -> dict[date, pa.Table]:
    """Return the rows of each date, of rows in order of dates."""
    days = rows[DATE].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], days[1:] != days[:-1]])).tolist()
    return {
        rows[DATE][start].as_py(): rows.slice(start, end - start)
        for start, end in pairwise([*starts, len(days)])
    }


def _stand(
    connection: duckdb.DuckDBPyConnection, data: DataDir, tables: Mapping[date, pa.Table]
) -> bool:
    """Return whether all of these snapshots are what they would be: quicker than one by one."""
    if not tables:
        return False
    paths = [str(snapshot_path(data, day)) for day in tables]
    try:
        before = connection.sql(
            f"select * from read_parquet(?, hive_partitioning = false) order by {DATE}, {KEY}",
            params=[paths],
        ).to_arrow_table()
    except duckdb.Error:  # not all can be read, or not all have the same columns
        return False
    return _are_same(before, pa.concat_tables(tables.values()))


def _settle_on(
    data: DataDir, day: date, rows: pa.Table, columns: Mapping[str, str], *, force: bool
) -> Snapshot:
    """Write a date's snapshot, leave the one there is, or say how it differs."""
    path = snapshot_path(data, day)
    outcome: Outcome = "written"
    difference = ""
    if (before := _read(path)) is not None:
        difference = _difference(before, rows)
        outcome = "replaced" if force else "differs" if difference else "unchanged"
    if outcome in ("written", "replaced"):
        _write(data, path, day, rows, columns)
    return Snapshot(day, path, rows.num_rows, outcome, difference)


def _read(path: Path) -> pa.Table | None:
    try:
        return pq.ParquetFile(path).read()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def _write(
    data: DataDir, path: Path, day: date, rows: pa.Table, columns: Mapping[str, str]
) -> None:
    """Write a snapshot whose metadata say what it is, and nothing of when it was written."""
    schema_hash = _schema_hash(rows.schema)
    metadata = {
        "tapehouse.table": f"{SCHEMA}.{TABLE}",
        "tapehouse.snapshot_date": day.isoformat(),
        "tapehouse.features_version": str(_version(rows)),
        "tapehouse.schema_sha256": schema_hash,
    }
    description = data.features / "_schemas" / f"{_version(rows)}-{schema_hash[:12]}.json"
    if not description.exists():
        description.parent.mkdir(exist_ok=True)
        write_synced(description, _schema_text(rows, columns))
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(
        rows.combine_chunks().replace_schema_metadata(metadata),
        temporary,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        # Of little use to who reads so few rows, and most of what is written.
        write_statistics=False,
        use_dictionary=[field.name for field in rows.schema if pa.types.is_string(field.type)],
    )
    reached("features:written")
    temporary.replace(path)


def _version(rows: pa.Table) -> int:
    version: int = rows[VERSION][0].as_py()
    return version


def _schema_hash(schema: pa.Schema) -> str:
    text = json.dumps([[field.name, str(field.type)] for field in schema])
    return hashlib.sha256(text.encode()).hexdigest()


def _schema_text(rows: pa.Table, columns: Mapping[str, str]) -> str:
    schema = {
        "table": f"{SCHEMA}.{TABLE}",
        "grain": [KEY, DATE],
        "features_version": _version(rows),
        "schema_sha256": _schema_hash(rows.schema),
        "columns": [
            {"name": field.name, "type": str(field.type), "description": columns[field.name]}
            for field in rows.schema
        ],
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _are_same(before: pa.Table, after: pa.Table) -> bool:
    return (
        before.num_rows == after.num_rows
        and before.schema.names == after.schema.names
        and before.schema.types == after.schema.types
        and all(_are_alike(before[name], after[name]) for name in after.schema.names)
    )


def _difference(before: pa.Table, after: pa.Table) -> str:
    """Return how two snapshots of a date differ, or nothing."""
    if before.schema.names != after.schema.names or before.schema.types != after.schema.types:
        return "it has other columns"
    if _version(before) != _version(after):
        return f"it is of version {_version(before)} of the features, not {_version(after)}"
    old, new = (set(rows[KEY].to_pylist()) for rows in (before, after))
    if old != new:
        added, gone = sorted(new - old), sorted(old - new)
        return "; ".join(
            f"{len(keys)} {what}, e.g. {keys[0]}"
            for keys, what in ((added, "new instruments"), (gone, "instruments gone"))
            if keys
        )
    changed = [
        field.name
        for field in after.schema
        if not _are_alike(before[field.name], after[field.name])
    ]
    return f"other values in {', '.join(changed)}" if changed else ""


def _are_alike(before: pa.ChunkedArray, after: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(after.type):
        return bool(before.equals(after))
    if not before.is_null().equals(after.is_null()):
        return False
    old, new = (column.to_numpy() for column in (before, after))
    return bool(np.allclose(old, new, rtol=TOLERANCE, atol=NEAR_ZERO, equal_nan=True))


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:  # noqa: ANN401 - any SQL value
    ((value,),) = connection.execute(query).fetchall()
    return value
