"""Snapshots of features: what is written when, that it stays, and that it says what it is."""

import json
import signal
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from ingest.fault_points import KILL_AT
from ingest.settings import DataDir, Settings
from orchestration import cli, publication
from orchestration.assets.features import features_asset
from orchestration.features import (
    FeaturesError,
    Snapshot,
    export_features,
    snapshot_path,
    unsettled,
)
from orchestration.resources import Warehouse
from tests.orchestration.warehouses import tapehouse

FIRST, LAST = date(2024, 1, 8), date(2024, 1, 12)
FETCHED = "2024-01-14 12:00"
"""When the newest batch was fetched: the 12th is settled from the 14th on."""

DAYS = [FIRST + timedelta(days=number) for number in range(7)]
SETTLED = DAYS[:5]
COLUMNS = {
    "instrument_id": "varchar",
    "session_date": "date",
    "observed_at": "timestamp",
    "features_version": "integer",
    "momentum_1": "double",
    "regime": "varchar",
}


LEDGER = f"""
create table ops.load_requests as
select * from (values
    ('acme', 'bars', 'A', timestamp '{FETCHED}', timestamp '2024-01-14', true),
    ('acme', 'bars', 'A', timestamp '2024-01-02 06:00', timestamp '2024-01-02', true),
    ('sample', 'bars', 'OLD', timestamp '2024-01-01', timestamp '2013-03-02', true),
    ('acme', 'bars', 'gone', timestamp '2023-12-01', timestamp '2023-12-01', true),
    ('acme', 'news', 'A', timestamp '{FETCHED}', null, true)
) as requests (provider, dataset, symbol, fetched_at, covered_until, is_complete);
create table rules.dataset_freshness as
select * from (values ('acme', 'bars', false), ('acme', 'news', false), ('sample', 'bars', true))
as freshness (provider, dataset, is_static);
create table silver.int_bars__series as
select * from (values
    ('acme', 'A', 'equity'), ('acme', 'A', 'equity'), ('acme', 'coin', 'crypto'),
    ('sample', 'OLD', 'fx'), ('acme', 'gone', 'fx')
) as series (provider, _symbol, asset_class)
"""
"""Shares are asked every day; a currency was not since a month, and another never will be again."""


def publish(data: DataDir, *changes: str, version: str = "v1") -> None:
    """Publish a file with the features of two instruments for a week."""
    path = data.build / "made.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        for schema in ("gold", "ops", "rules", "silver"):
            connection.execute(f"create schema {schema}")
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        connection.execute(f"create table gold.ml_features ({columns})")
        connection.execute(
            "comment on column gold.ml_features.momentum_1 is 'Change since the session before.'"
        )
        connection.execute(
            "insert into gold.ml_features select instrument, cast(day as date),"
            " day + interval 21 hour, 1, if(day = date '2024-01-08', null, hash(day) % 100 / 1e3),"
            " 'range' from generate_series(date '2024-01-08', date '2024-01-14', interval 1 day)"
            " as days (day), unnest(['equity:B', 'equity:A']) as instruments (instrument)"
        )
        connection.execute(
            f"create table ops.load_batches as select timestamp '{FETCHED}' as fetched_at"
        )
        connection.execute(LEDGER)
        for change in changes:
            connection.execute(change)
    publication.publish_file(data, path, version, keep=3)
    path.unlink()


@pytest.fixture
def data() -> DataDir:
    data = Settings().data
    publish(data)
    return data


def outcomes(snapshots: Sequence[Snapshot]) -> dict[date, str]:
    return {snapshot.date: snapshot.outcome for snapshot in snapshots}


def contents(data: DataDir) -> dict[str, bytes]:
    return {
        str(path.relative_to(data.features)): path.read_bytes()
        for path in data.features.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


# -- what is written -------------------------------------------------------------------------------


def test_every_settled_date_is_exported_once(data: DataDir) -> None:
    assert outcomes(export_features(data)) == dict.fromkeys(SETTLED, "written")
    before = contents(data)
    (schema,) = (data.features / "_schemas").iterdir()
    assert set(before) == {
        f"_schemas/{schema.name}",
        *(f"snapshot_date={day}/features.parquet" for day in SETTLED),
    }
    modified = snapshot_path(data, FIRST).stat().st_mtime_ns
    assert outcomes(export_features(data)) == dict.fromkeys(SETTLED, "unchanged")
    assert contents(data) == before
    assert snapshot_path(data, FIRST).stat().st_mtime_ns == modified


def test_exporting_a_date_twice_gives_the_same_bytes(data: DataDir) -> None:
    export_features(data)
    before = contents(data)
    assert outcomes(export_features(data, only=FIRST, force=True)) == {FIRST: "replaced"}
    assert contents(data) == before
    # Also from another file, in which the rows lie in another order.
    publish(
        data,
        "create table rows as from gold.ml_features order by hash(instrument_id, session_date)",
        "delete from gold.ml_features; insert into gold.ml_features from rows",
        version="v2",
    )
    assert set(outcomes(export_features(data, force=True)).values()) == {"replaced"}
    assert contents(data) == before


def test_a_snapshot_has_the_rows_of_its_date(data: DataDir) -> None:
    export_features(data)
    dataset = ds.dataset(data.features, partitioning="hive", exclude_invalid_files=False)
    read = dataset.to_table().sort_by([("session_date", "ascending")])
    assert read.num_rows == 2 * len(SETTLED)
    assert [f"{day}" for day in read["session_date"].to_pylist()] == read[
        "snapshot_date"
    ].to_pylist()
    one = pq.ParquetFile(snapshot_path(data, LAST)).read()
    with duckdb.connect(str(data.market), read_only=True) as connection:
        expected = connection.sql(
            f"from gold.ml_features where session_date = '{LAST}' order by instrument_id"
        ).to_arrow_table()
    assert one.to_pylist() == expected.to_pylist()


def test_a_snapshot_says_what_it_is(data: DataDir) -> None:
    export_features(data)
    path = snapshot_path(data, LAST)
    metadata = pq.read_metadata(path).metadata
    assert metadata[b"tapehouse.features_version"] == b"1"
    assert metadata[b"tapehouse.snapshot_date"] == b"2024-01-12"
    assert metadata[b"tapehouse.table"] == b"gold.ml_features"
    (described,) = (data.features / "_schemas").iterdir()
    schema = json.loads(described.read_text(encoding="utf-8"))
    assert described.name == f"1-{schema['schema_sha256'][:12]}.json"
    assert schema["features_version"] == 1
    assert schema["grain"] == ["instrument_id", "session_date"]
    assert schema["schema_sha256"].encode() == metadata[b"tapehouse.schema_sha256"]
    assert [column["name"] for column in schema["columns"]] == list(COLUMNS)
    assert schema["columns"][4] == {
        "name": "momentum_1",
        "type": "double",
        "description": "Change since the session before.",
    }


# -- which dates -----------------------------------------------------------------------------------


def test_dates_can_be_chosen(data: DataDir) -> None:
    assert outcomes(export_features(data, only=DAYS[2])) == {DAYS[2]: "written"}
    assert outcomes(export_features(data, since=DAYS[2])) == {
        DAYS[2]: "unchanged", DAYS[3]: "written", DAYS[4]: "written",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "message"),
    [
        (DAYS[5], "2024-01-13 is not settled: more of it may be fetched until 2024-01-15"),
        (date(2023, 1, 1), "no features of 2023-01-01; the newest is 2024-01-14"),
    ],
)
def test_a_date_without_all_of_its_rows_is_refused(data: DataDir, day: date, message: str) -> None:
    with pytest.raises(FeaturesError, match=message):
        export_features(data, only=day)
    assert not contents(data)


def test_what_is_not_published_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(FeaturesError, match="nothing is published yet"):
        export_features(DataDir(tmp_path / "nothing"))


def test_a_version_from_before_there_were_features_says_so(data: DataDir) -> None:
    publish(data, "drop table gold.ml_features", version="v2")
    with pytest.raises(FeaturesError, match="the published version has no features"):
        export_features(data)


def test_nothing_is_settled_before_anything_was_fetched(data: DataDir) -> None:
    publish(data, "delete from ops.load_batches", version="v2")
    assert export_features(data) == []


def asked(symbol: str, fetched: str, until: str | None, *, complete: bool = True) -> str:
    """Return what makes a question of the bars of a symbol part of the ledger."""
    end = f"timestamp '{until}'" if until else "null"
    return (
        f"insert into ops.load_requests values ('acme', 'bars', '{symbol}', '{fetched}', {end},"
        f" {complete})"
    )


DOWN = (
    "delete from ops.load_requests where symbol = 'A' and dataset = 'bars' and day(fetched_at) > 2"
)


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        # The vendor of shares was last asked on the 12th, that of coins all the time.
        ([asked("A", "2024-01-12 06:00", "2024-01-12")], DAYS[2]),
        # It answered later, but of earlier days only, or not all of what was asked.
        ([asked("A", FETCHED, "2024-01-10")], DAYS[1]),
        ([asked("A", "2024-01-12 06:00", "2024-01-12"),
          asked("A", FETCHED, "2024-01-14", complete=False)], DAYS[2]),
        # A stream has no range, and what it heard on the 12th is of no later time.
        ([asked("A", "2024-01-12 06:00", None)], DAYS[2]),
    ],
)  # fmt: skip
def test_a_date_waits_for_the_bars_of_each_asset_class(
    data: DataDir, changes: Sequence[str], until: date
) -> None:
    publish(data, DOWN, asked("coin", FETCHED, "2024-01-14"), *changes, version="v2")
    settled = [day for day in SETTLED if day <= until]
    assert outcomes(export_features(data)) == dict.fromkeys(settled, "written")
    waits = f"equity bars (asked to the end of {until})"
    assert unsettled(data) == f"dates after {until} wait for {waits}"
    with pytest.raises(FeaturesError, match="is not settled: it waits for equity bars"):
        export_features(data, only=until + timedelta(days=1))
    # Once they were asked, the date is written, with all of its rows.
    publish(data, asked("coin", FETCHED, "2024-01-14"), version="v3")
    assert set(outcomes(export_features(data)).values()) == {"written", "unchanged"}
    assert set(outcomes(export_features(data))) == set(SETTLED)
    assert unsettled(data) == ""


def test_an_asset_class_that_is_asked_no_more_is_waited_for_no_longer(data: DataDir) -> None:
    """Not after a month: the currency of `gone` was last asked 44 days before the newest batch."""
    assert set(outcomes(export_features(data))) == set(SETTLED)
    lately = (
        "update ops.load_requests set fetched_at = timestamp '2023-12-20' where symbol = 'gone'"
    )
    publish(data, lately, version="v2")
    assert export_features(data) == []
    assert unsettled(data).endswith("wait for fx bars (asked to the end of 2023-11-30)")


# -- that they stay --------------------------------------------------------------------------------


ANOTHER = "select * replace ('equity:C' as instrument_id)"
ONE_ROW = "session_date = '2024-01-10' and instrument_id = 'equity:A'"


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (f"update gold.ml_features set momentum_1 = 7 where {ONE_ROW}", "values in momentum_1"),
        (f"update gold.ml_features set momentum_1 = null where {ONE_ROW}", "in momentum_1"),
        (f"update gold.ml_features set regime = null where {ONE_ROW}", "values in regime"),
        (f"delete from gold.ml_features where {ONE_ROW}", "1 instruments gone, e.g. equity:A"),
        (
            f"insert into gold.ml_features {ANOTHER} from gold.ml_features where {ONE_ROW}",
            "1 new instruments, e.g. equity:C",
        ),
        (
            "update gold.ml_features set features_version = 2 where session_date = '2024-01-10'",
            "of version 1 of the features, not 2",
        ),
    ],
)
def test_what_would_differ_is_reported_and_left(
    data: DataDir, change: str, difference: str
) -> None:
    export_features(data)
    before = contents(data)
    publish(data, change, version="v2")
    snapshots = export_features(data)
    expected = {**dict.fromkeys(SETTLED, "unchanged"), DAYS[2]: "differs"}
    assert outcomes(snapshots) == expected
    assert difference in snapshots[2].difference
    assert contents(data) == before
    assert outcomes(export_features(data, only=DAYS[2], force=True)) == {DAYS[2]: "replaced"}
    assert outcomes(export_features(data)) == dict.fromkeys(SETTLED, "unchanged")


def test_other_columns_are_another_snapshot(data: DataDir) -> None:
    export_features(data)
    publish(data, "alter table gold.ml_features drop column regime", version="v2")
    assert {snapshot.difference for snapshot in export_features(data)} == {"it has other columns"}


def test_rounding_is_no_difference(data: DataDir) -> None:
    export_features(data)
    before = contents(data)
    publish(data, "update gold.ml_features set momentum_1 = momentum_1 * (1 + 1e-12)", version="v2")
    assert outcomes(export_features(data)) == dict.fromkeys(SETTLED, "unchanged")
    assert contents(data) == before


def test_an_export_that_was_killed_goes_on(data: DataDir) -> None:
    killed = tapehouse(data.root, "export-features", **{KILL_AT: "features:written"})
    assert killed.returncode == -signal.SIGKILL
    assert not snapshot_path(data, FIRST).exists()
    assert outcomes(export_features(data)) == dict.fromkeys(SETTLED, "written")
    assert len(contents(data)) == 1 + len(SETTLED), "nothing is left of what was not finished"


def test_a_file_that_cannot_be_read_is_written_anew(data: DataDir) -> None:
    export_features(data)
    before = contents(data)
    snapshot_path(data, DAYS[1]).write_bytes(b"")
    snapshot_path(data, DAYS[2]).write_bytes(b"PAR1")
    expected = {**dict.fromkeys(SETTLED, "unchanged"), DAYS[1]: "written", DAYS[2]: "written"}
    assert outcomes(export_features(data)) == expected
    assert contents(data) == before


# -- the command and the asset ---------------------------------------------------------------------


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli.app, ["export-features", *arguments])


def test_the_command_says_what_it_did(data: DataDir) -> None:
    first = run()
    assert (first.exit_code, first.stdout) == (0, f"5 written in {data.features}\n")
    again = run("--since", "2024-01-11")
    assert again.stdout == f"2 unchanged in {data.features}\n"
    publish(data, "update gold.ml_features set momentum_1 = 7", version="v2")
    differing = run("--date", "2024-01-11")
    assert differing.exit_code == 1
    assert "2024-01-11 would differ: other values in momentum_1" in differing.stdout
    assert "--force" in differing.stdout
    forced = run("--date", "2024-01-11", "--force")
    assert (forced.exit_code, forced.stdout) == (0, f"1 replaced in {data.features}\n")


def test_the_command_says_what_dates_wait_for(data: DataDir) -> None:
    publish(data, DOWN, asked("A", "2024-01-12 06:00", "2024-01-12"), version="v2")
    told = run().stdout.splitlines()
    assert told[0].startswith("3 written")
    assert told[1] == (
        "dates after 2024-01-10 wait for equity bars (asked to the end of 2024-01-10)"
    )
    assert str(materialize()["waiting"]) == told[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--date", "tomorrow"), "'tomorrow' is not a day, e.g. 2024-01-31"),
        (("--date", "2024-01-11", "--since", "2024-01-11"), "give --date or --since, not both"),
    ],
)
def test_the_command_refuses_what_it_does_not_understand(
    data: DataDir, arguments: tuple[str, ...], message: str
) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert not data.features.exists()


def test_the_command_ends_with_what_is_wrong(data: DataDir) -> None:
    done = tapehouse(data.root, "export-features", "--date", "2024-01-14")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 2024-01-14 is not settled")


def materialize() -> dict[str, object]:
    asset = features_asset(dg.AssetKey(["published", "market"]))
    run = dg.materialize([asset], resources={"warehouse": Warehouse()})
    assert run.success
    (event,) = run.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_the_asset_exports_what_is_new_and_tells_what_would_differ(data: DataDir) -> None:
    first = materialize()
    assert (first["written"], first["rows"], first["newest"]) == (5, 10, "2024-01-12")
    again = materialize()
    assert (again["written"], again["unchanged"], again["differing"]) == (0, 5, 0)
    publish(data, f"delete from gold.ml_features where {ONE_ROW}", version="v2")
    before = contents(data)
    assert materialize()["differing"] == 1
    assert contents(data) == before


def test_the_asset_has_nothing_to_do_before_a_publication(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TAPEHOUSE_DATA_DIR", str(tmp_path / "empty"))
    assert materialize()["written"] == 0
