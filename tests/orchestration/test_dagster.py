"""What Dagster knows and does: the graph, its checks and schedules, and a gate that holds."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from ingest.backfill import Ask
from ingest.clock import utc_now
from ingest.lake import Lake
from ingest.provider import EntitlementError, Request
from ingest.providers import make_providers, simulator
from ingest.providers.inbox import DATASETS as INBOX_DATASETS
from ingest.providers.sample import END, START, Sample
from ingest.providers.simulator import Simulator
from ingest.settings import PROJECT_ROOT, DataDir, Settings
from ingest.streams import STREAM_DATASETS
from orchestration import candidate as building
from orchestration import publication, quality
from orchestration.assets import checks, raw
from orchestration.assets.raw import RETRIES
from orchestration.assets.warehouse import asset_path
from orchestration.automation import inbox_sensor, schedules
from orchestration.dbt import read_manifest
from orchestration.defs import build_defs
from orchestration.demo import OFFLINE, dagster_home
from orchestration.quality import CHECKS_DIR, declared_checks
from orchestration.resources import Warehouse
from orchestration.run_records import RunRecord, latest_record
from orchestration.table_hashes import table_hashes
from tests.ingest.scripted import Vendor
from tests.orchestration.warehouses import (
    BTC,
    INBOX_FILE,
    PROJECT_VARIABLE,
    SIMULATED_END,
    copied,
    drop,
    isolate,
    query,
)

MARKET = dg.AssetKey(["published", "market"])
FEATURES = dg.AssetKey(["published", "features"])
LAYERS = {"raw", "staging", "rules", "silver", "gold", "ops", "published"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def definitions(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """Return the definitions as `dagster dev` loads them."""
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, project, tmp_path_factory.mktemp("definitions"))
        return build_defs()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> AssetGraph:
    return definitions.resolve_asset_graph()


@pytest.fixture
def manifest() -> Mapping[str, Any]:
    return read_manifest()


def nodes_of(manifest: Mapping[str, Any], *kinds: str) -> list[Mapping[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


# -- assets --------------------------------------------------------------------------------------


def test_the_definitions_are_consistent(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_is_keyed_grouped_and_described(graph: AssetGraph) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert key.path[0] in LAYERS
        assert node.group_name == key.path[0], key
        assert node.description, key


def test_every_dbt_node_is_an_asset_by_layer_domain_and_name(
    graph: AssetGraph, manifest: Mapping[str, Any]
) -> None:
    models = {tuple(node["fqn"][1:]): node for node in nodes_of(manifest, "model")}
    seeds = {("rules", node["name"]): node for node in nodes_of(manifest, "seed")}
    sources = {
        ("raw", source["source_name"], source["name"]): source
        for source in manifest["sources"].values()
    }
    published = {tuple(key.path) for key in (MARKET, FEATURES)}
    assert sources.keys() | models.keys() | seeds.keys() | published == {
        tuple(key.path) for key in graph.get_all_asset_keys()
    }
    for path, node in (models | seeds).items():
        assert node["description"].split(".")[0] in str(graph.get(dg.AssetKey(path)).description)
    assert {path for path in models if len(path) != 3} == {
        path for path in models if path[0] == "ops"
    }, "layer, domain, name; operations are one domain"


def test_every_landed_dataset_is_an_asset_that_staging_reads(graph: AssetGraph) -> None:
    datasets = {
        ("raw", provider.name, name)
        for provider in make_providers(Settings()).values()
        for name in provider.datasets
    } | {("raw", "inbox", name) for name in INBOX_DATASETS}
    streamed = {
        ("raw", provider, name)
        for provider in STREAM_DATASETS
        for name in STREAM_DATASETS[provider]
    }
    raw = {key for key in graph.get_all_asset_keys() if key.path[0] == "raw"}
    assert {tuple(key.path) for key in raw} == datasets | streamed
    for key in raw:
        assert graph.get(key).is_materializable == (tuple(key.path) in datasets)
        _, provider, dataset = key.path
        staged = dg.AssetKey(["staging", provider, f"stg_{provider}__{dataset}"])
        assert staged in graph.get(key).child_keys


def test_what_readers_open_is_behind_every_table(
    graph: AssetGraph, manifest: Mapping[str, Any]
) -> None:
    upstream = graph.get(MARKET).parent_keys
    assert upstream == {
        dg.AssetKey(asset_path(node))
        for node in nodes_of(manifest, "model", "seed")
        if node["schema"] != publication.PRIVATE_SCHEMA
    }
    assert graph.get(FEATURES).parent_keys == {MARKET}


def test_vendors_are_asked_again_after_5_10_and_20_minutes(definitions: dg.Definitions) -> None:
    assert [RETRIES.calculate_delay(attempt) for attempt in (1, 2, 3)] == [300, 600, 1200]
    assert RETRIES.max_retries == 3
    graph = definitions.resolve_job_def("materialize_all").graph
    retried = {node.definition.name for node in graph.nodes if node.retry_policy == RETRIES} | {
        node.name for node in graph.node_defs if getattr(node, "retry_policy", None) == RETRIES
    }
    asked = {
        "__".join(("raw", provider.name, name))
        for provider in make_providers(Settings()).values()
        for name in provider.datasets
    }
    assert retried == asked


# -- checks --------------------------------------------------------------------------------------


def test_every_dbt_test_is_a_check(graph: AssetGraph, manifest: Mapping[str, Any]) -> None:
    names = {node["name"] for node in nodes_of(manifest, "test")}
    assert len(names) > 50
    assert names <= {key.name for key in graph.asset_check_keys}


def test_every_soda_check_is_a_blocking_check_on_its_table(
    graph: AssetGraph, manifest: Mapping[str, Any]
) -> None:
    asset_of = {
        f"{node['schema']}.{node['name']}": dg.AssetKey(node["fqn"][1:])
        for node in nodes_of(manifest, "model")
    }
    declared = {dg.AssetCheckKey(asset_of[check.table], check.name) for check in declared_checks()}
    assert len(declared) > 50
    assert declared <= set(graph.asset_check_keys)
    for key in declared:
        assert graph.get(key).blocking
        assert graph.get(key).description


# -- jobs, schedules, sensor ---------------------------------------------------------------------


def test_jobs_schedules_and_sensor_are_described(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs.keys() == {
        "materialize_all", "ingest_incremental", "build_and_publish", "publish_inbox",
    }  # fmt: skip
    planned = {each.name: each for each in repository.schedule_defs}
    assert planned.keys() == {
        "materialize_all_daily", "materialize_all_weekdays", "ingest_incremental_hourly",
    }  # fmt: skip
    (sensor,) = repository.sensor_defs
    assert sensor.name == "inbox"
    for each in (*jobs.values(), *planned.values(), sensor):
        assert str(each.description).endswith((".", "close.")), each.name
    for schedule in planned.values():
        assert schedule.execution_timezone == "UTC"
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_times_of_schedules_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, cron in (("DAILY", "5 4 * * *"), ("WEEKDAY", "6 5 * * 1"), ("HOURLY", "7 * * * *")):
        monkeypatch.setenv(f"TAPEHOUSE_{name}_CRON", cron)
    assert {each.name: each.cron_schedule for each in schedules(Settings())} == {
        "materialize_all_daily": "5 4 * * *",
        "materialize_all_weekdays": "6 5 * * 1",
        "ingest_incremental_hourly": "7 * * * *",
    }


@pytest.mark.parametrize(
    ("job", "wanted"),
    [
        ("materialize_all", LAYERS),
        ("ingest_incremental", {"raw"}),
        ("build_and_publish", LAYERS - {"raw"}),
        ("publish_inbox", LAYERS),
    ],
)
def test_jobs_cover_what_their_name_says(
    definitions: dg.Definitions, job: str, wanted: set[str]
) -> None:
    keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
    assert {key.path[0] for key in keys} == wanted
    if job == "publish_inbox":
        raw = {key for key in keys if key.path[0] == "raw"}
        assert raw == {dg.AssetKey(["raw", "inbox", name]) for name in INBOX_DATASETS}


def asked_runs(settings: Settings) -> tuple[list[str | None], list[str | None]]:
    """Return run keys and reasons for skipping of one look at the inbox."""
    with dg.build_sensor_context(
        resources={"warehouse": Warehouse(data_dir=str(settings.data_dir))}
    ) as context:
        answers = list(inbox_sensor(context))
    keys = [answer.run_key for answer in answers if isinstance(answer, dg.RunRequest)]
    reasons = [answer.skip_message for answer in answers if isinstance(answer, dg.SkipReason)]
    return keys, reasons


def test_the_sensor_asks_for_one_run_per_new_set_of_files(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert asked_runs(settings) == ([], ["the inbox is empty"])
    first = drop(settings, "a.csv", INBOX_FILE)
    ((one,), none) = asked_runs(settings)
    assert one
    assert not none
    assert asked_runs(settings) == ([one], []), "the same key: Dagster starts no second run"
    drop(settings, "b.csv", INBOX_FILE)
    ((two,), _) = asked_runs(settings)
    first.write_text(INBOX_FILE + "equity,AAPL,1d,2013-02-25,1,1,1,1,1\n", encoding="utf-8")
    ((three,), _) = asked_runs(settings)
    assert len({one, two, three}) == 3
    drop(settings, ".hidden.csv", INBOX_FILE)
    (first.parent / "folder").mkdir()
    assert asked_runs(settings) == ([three], [])


# -- telemetry -----------------------------------------------------------------------------------


def test_dagster_reports_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_DISABLE_TELEMETRY")
    config = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert config["telemetry"] == {"enabled": False}
    home = dagster_home(Settings(data_dir=tmp_path))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled


# -- runs ----------------------------------------------------------------------------------------


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialize(
    data: DataDir, instance: dg.DagsterInstance, job: str = "materialize_all"
) -> dg.ExecuteInProcessResult:
    """Run a job on a warehouse, without the vendor that needs a network."""
    definitions = build_defs({"warehouse": Warehouse(data_dir=str(data.root))})
    resolved = definitions.resolve_job_def(job)
    offline = [
        key
        for key in resolved.asset_layer.selected_asset_keys
        if key.path[0] != "raw" or key.path[1] in OFFLINE
    ]
    return resolved.execute_in_process(
        instance=instance, asset_selection=offline, raise_on_error=False, run_config=QUIET
    )


def record_of_run(data: DataDir, run: dg.ExecuteInProcessResult) -> RunRecord:
    """Return the record of the build of a run, which must be the latest."""
    record = latest_record(data)
    assert record
    assert run.dagster_run.tags.get("tapehouse/build_id") in (None, record.build_id)
    return record


@pytest.fixture
def few_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run ask for the bars of one stock and of some days of one pair."""
    few = {
        Sample: Request("bars", "AAPL", "1d", START, END),
        Simulator: Request("bars", BTC, "1m", simulator.START, SIMULATED_END),
    }
    asked = {vendor: vendor.default_request for vendor in few}

    def ask_for_few(self: Sample | Simulator, dataset: str) -> Iterable[Request]:
        return [few[type(self)]] if dataset == "bars" else asked[type(self)](self, dataset)

    for vendor in few:
        monkeypatch.setattr(vendor, "default_request", ask_for_few)


@pytest.mark.usefixtures("few_bars")
def test_the_whole_graph_materializes(
    graph: AssetGraph, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    data = DataDir(tmp_path / "data")
    run = materialize(data, instance)
    assert run.success
    record = record_of_run(data, run)
    assert record.status == "passed"
    assert publication.current_version(data) == record.build_id

    done = {event.asset_key for event in run.get_asset_materialization_events()}
    not_asked = {
        key
        for key in graph.get_all_asset_keys()
        if key.path[0] == "raw" and key.path[1] not in OFFLINE
    }
    assert len(not_asked) > 20
    # Nothing of these vendors, and nothing in the inbox, is there to be staged.
    unused = {
        key
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
        if parent in not_asked or parent.path[:2] == ["raw", "inbox"]
    }
    assert done == set(graph.get_all_asset_keys()) - not_asked - unused
    evaluations = run.get_asset_check_evaluations()
    assert {evaluation.asset_check_key for evaluation in evaluations} == {
        key for key in graph.asset_check_keys if key.asset_key not in unused
    }
    assert not [
        evaluation.check_name
        for evaluation in evaluations
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR
    ]
    not_in_use = [c for c in declared_checks() if c.table in record.inactive_tables]
    assert len(evaluations) == (
        record.dbt_tests_passed + record.checks_passed + record.checks_warned + len(not_in_use)
    )

    counts = {
        event.asset_key: event.materialization.metadata["dagster/row_count"].value
        for event in run.get_asset_materialization_events()
        if "dagster/row_count" in event.materialization.metadata
    }
    for path in (("silver", "prices", "bars"), ("gold", "core", "dim_instruments")):
        rows = query(data.market, f"select count(*) from {path[0]}.{path[-1]}")
        assert rows == [(counts[dg.AssetKey(path)],)]


def with_impossible_check(folder: Path) -> Path:
    """Copy the Soda checks and add one that no data can pass."""
    shutil.copytree(CHECKS_DIR, folder)
    path = folder / "silver" / "bars.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["checks for bars"].append({"row_count < 0": {"name": "bars_are_fewer_than_none"}})
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


@pytest.mark.slow  # another whole build: what blocks, and how, is tested apart, too
def test_a_failing_check_keeps_what_readers_have(
    ready: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copied(ready, tmp_path / "data").data
    before = data.market.readlink(), data.market.read_bytes(), publication.versions(data)
    folder = with_impossible_check(tmp_path / "checks")
    monkeypatch.setattr(checks, "declared_checks", partial(declared_checks, folder))
    monkeypatch.setattr(building, "run_checks", partial(quality.run_checks, checks_dir=folder))

    run = materialize(data, instance, "build_and_publish")
    assert not run.success
    record = record_of_run(data, run)
    assert record.status == "failed"
    assert "silver.bars bars_are_fewer_than_none" in str(record.error)
    assert (data.market.readlink(), data.market.read_bytes(), publication.versions(data)) == before
    failed = [e.check_name for e in run.get_asset_check_evaluations() if not e.passed]
    assert "bars_are_fewer_than_none" in failed
    done = {event.asset_key for event in run.get_asset_materialization_events()}
    assert MARKET not in done
    assert dg.AssetKey(["gold", "core", "fct_daily_bars"]) in done
    report = data.quality / record.build_id / "index.html"
    assert "bars are fewer than none" in report.read_text(encoding="utf-8")


def test_a_dbt_that_cannot_start_fails_the_run_and_is_recorded(
    small: Path,
    project: Path,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = copied(small, tmp_path / "data").data
    version = publication.current_version(data)
    broken = shutil.copytree(project, tmp_path / "project")
    profiles = broken / "profiles.yml"
    before = profiles.stat()
    profiles.write_text("tapehouse: {target: nowhere, outputs: {}}\n", encoding="utf-8")
    os.utime(profiles, ns=(before.st_atime_ns, before.st_mtime_ns))  # so that it is not parsed
    monkeypatch.setenv(PROJECT_VARIABLE, str(broken))

    run = materialize(data, instance, "build_and_publish")
    assert not run.success
    record = record_of_run(data, run)
    assert record.status == "failed"
    assert str(record.error).startswith("dbt: ")
    assert record.base_version == version == publication.current_version(data)


def land_raw(
    data: DataDir, instance: dg.DagsterInstance, *names: tuple[str, str]
) -> dg.ExecuteInProcessResult:
    """Materialize raw datasets of a warehouse."""
    definitions = build_defs({"warehouse": Warehouse(data_dir=str(data.root))})
    return definitions.resolve_job_def("ingest_incremental").execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["raw", *name]) for name in names],
        raise_on_error=False,
        run_config=QUIET,
    )


def kinds_of(run: dg.ExecuteInProcessResult) -> set[dg.DagsterEventType]:
    return {event.event_type for event in run.all_events}


def test_what_cannot_succeed_is_not_tried_again(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Ask(Sample(), Request("bars", "ENRON", "1d", START, END))
    monkeypatch.setattr(Warehouse, "asks", lambda *_: [unknown])
    run = land_raw(DataDir(tmp_path / "data"), instance, ("sample", "bars"))
    assert not run.success
    assert dg.DagsterEventType.STEP_FAILURE in kinds_of(run)
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds_of(run)


PULLS = """
pulls:
  - {providers: [vendor, other], dataset: bars, symbols: [A, B], timeframes: [1m], since: 1d}
"""


def test_runs_take_turns_with_each_account_of_a_vendor() -> None:
    pools: dict[str, set[str | None]] = {}
    for landed in raw.raw_assets():
        pools.setdefault(landed.key.path[1], set()).add(landed.op.pool)
    alpaca = {"alpaca", "alpaca_iex", "alpaca_sip"}
    assert {name for name, own in pools.items() if own == {"vendor_alpaca"}} == alpaca
    assert pools["coinbase"] == {"vendor_coinbase"}
    assert pools["sample"] == pools["inbox"] == {None}
    limits = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert limits["concurrency"]["pools"]["default_limit"] == 1


def test_what_is_declared_is_landed_by_whoever_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendors = {name: Vendor(utc_now, name=name) for name in ("vendor", "other")}
    monkeypatch.setattr(Vendor, "default_request", lambda *_: ())
    monkeypatch.setattr(Warehouse, "providers", lambda _: vendors)
    monkeypatch.setattr(raw, "make_providers", lambda _: vendors)
    vendors["vendor"].refuse = lambda request: (
        EntitlementError("not with this plan") if request.symbol == "B" else None
    )
    settings = Settings(data_dir=tmp_path / "data")
    settings.pulls.write_text(PULLS, encoding="utf-8")
    warehouse = Warehouse(data_dir=str(settings.data_dir))
    first, second = (landed(warehouse=warehouse) for landed in list(raw.raw_assets())[:2])
    landed = {
        (batch.provider, entry.symbol): batch.rows
        for batch in Lake(settings.data).batches()
        for entry in batch.entries
    }
    assert landed.keys() == {("vendor", "A"), ("other", "B")}
    assert first.metadata["dagster/row_count"] == sum(landed.values()) >= 2 * 24 * 60
    assert (first.metadata["failed"], first.metadata["not_asked"]) == (0, 0)
    assert second.metadata["requests"] == 0, "nothing is first asked of the other"


def test_datasets_with_nothing_to_pull_cost_nothing(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    vendors = [
        (provider.name, name)
        for provider in make_providers(Settings()).values()
        for name in provider.datasets
        if provider.name not in OFFLINE
    ]
    warehouse = Warehouse(data_dir=str(tmp_path / "data"))
    started = time.process_time()
    assert [warehouse.asks(*vendor) for vendor in vendors] == [[]] * len(vendors)
    assert (time.process_time() - started) / len(vendors) < 0.1
    run = land_raw(DataDir(tmp_path / "data"), instance, *vendors[:3])
    assert run.success
    assert not (tmp_path / "data" / "lake").exists()


def test_a_pulls_file_with_a_mistake_fails_the_run_and_says_where(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    Settings().pulls.write_text("pulls: [{provider: coinbse, dataset: products}]", encoding="utf-8")
    run = land_raw(DataDir(tmp_path / "data"), instance, ("coinbase", "products"))
    assert not run.success
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds_of(run)
    (failed,) = [event for event in run.all_events if event.is_step_failure]
    assert "did you mean coinbase?" in str(failed.step_failure_data.error_display_string)


def hashes_of(database: Path) -> Mapping[str, str]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return table_hashes(connection)


def test_any_asset_can_be_built_alone(
    small: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """What it reads that no published file has is built before it."""
    settings = copied(small, tmp_path / "data")
    definitions = build_defs({"warehouse": Warehouse(data_dir=str(settings.data_dir))})
    alone = [
        *(("silver", "prices", "bars"), ("silver", "signals", "signal_events")),
        *(("silver", "news", "sentiment_scores"), ("silver", "trading", "executions")),
        *(("silver", "trading", "decision_history"), ("gold", "core", "fct_trades")),
    ]
    before = hashes_of(settings.data.market)
    run = dg.materialize(
        [definitions.resolve_assets_def(dg.AssetKey(alone[0]))],
        selection=[dg.AssetKey(path) for path in alone],
        instance=instance,
        raise_on_error=False,
        run_config=QUIET,
    )
    assert run.success
    done = [event.asset_key for event in run.get_asset_materialization_events()]
    assert {tuple(key.path) for key in done if key} == set(alone)
    after = hashes_of(settings.data.candidate)
    for path in alone:
        table = f"{path[0]}.{path[-1]}"
        assert after[table] == before[table], table


def test_a_version_that_is_held_stays(
    ready: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    settings = copied(ready, tmp_path / "data")
    version = str(publication.current_version(settings.data))
    publication.rollback(settings.data, version)
    definitions = build_defs({"warehouse": Warehouse(data_dir=str(settings.data_dir))})
    run = definitions.resolve_job_def("build_and_publish").execute_in_process(
        instance=instance, asset_selection=[MARKET], raise_on_error=False, run_config=QUIET
    )
    assert run.success
    (event,) = run.get_asset_materialization_events()
    assert event.materialization.metadata["held_at"].value == version
    assert publication.current_version(settings.data) == version
    assert building.load(settings.data), "the candidate waits"
