"""dbt as a process: its arguments, what it says, and when the project is parsed anew."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt_common.events.base_types import EventLevel
from dbt_common.events.logger import LoggerConfig
from dbt_common.events.types import Note

from ingest.settings import PROJECT_ROOT, DataDir
from orchestration import dbt
from orchestration.dbt import DbtError, build_args, ensure_manifest, read_results, run_build
from orchestration.parsed_dbt import HeardEvents
from tests.orchestration.warehouses import PROJECT_VARIABLE

# -- arguments -----------------------------------------------------------------------------------

PLAIN = ["build", "--exclude-resource-type", "unit_test"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, []),
        ({"full_refresh": True}, ["--full-refresh"]),
        ({"refresh_models": ["bars"]}, ["--vars", '{"refresh_models": ["bars"]}']),
        ({"refresh_models": ["bars"], "full_refresh": True}, ["--full-refresh"]),
        (
            {"as_of": "2024-01-31T00:00:00Z", "full_refresh": True},
            ["--full-refresh", "--vars", '{"as_of": "2024-01-31T00:00:00Z"}'],
        ),
        ({"select": ["bars", "+fct_daily_bars"]}, ["--select", "bars +fct_daily_bars"]),
        ({"exclude": ["stg_vendor__bars"]}, ["--exclude", "stg_vendor__bars"]),
    ],
)
def test_arguments_of_a_build(arguments: dict[str, Any], wanted: list[str]) -> None:
    assert build_args(**arguments) == [*PLAIN, *wanted]


def test_the_profile_is_pointed_at_one_warehouse_and_one_file(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    variables = dbt.environment(data, data.candidate)
    assert variables["TAPEHOUSE_DATA_DIR"] == str(tmp_path)
    assert variables["TAPEHOUSE_DATABASE"] == str(data.candidate)
    assert Path(variables["TAPEHOUSE_TEMP_DIRECTORY"]).is_relative_to(tmp_path)
    profile = (dbt.project_dir() / "profiles.yml").read_text(encoding="utf-8")
    of_models = {"TAPEHOUSE_DATA_DIR", "TAPEHOUSE_UNUSED_DATASETS"}
    assert all(f"env_var('{name}'" in profile for name in variables.keys() - of_models)


def test_staging_of_datasets_that_never_landed_is_left_out(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    batch = data.raw / "coinbase" / "bars" / "ingest_date=2024-01-02" / "x.parquet"
    batch.parent.mkdir(parents=True)
    batch.touch()
    (data.raw / "sample" / "bars").mkdir(parents=True)
    unused = dbt.unused_staging(dbt.read_manifest(), data)
    assert unused["stg_sample__bars"] == "sample.bars"
    assert "stg_coinbase__bars" not in unused
    assert "stg_exchange_calendars__sessions" not in unused, "models read it themselves"


def test_the_project_is_the_repository_s_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(PROJECT_VARIABLE, str(tmp_path))
    assert dbt.project_dir() == tmp_path
    monkeypatch.delenv(PROJECT_VARIABLE)
    assert dbt.project_dir() == PROJECT_ROOT / "dbt_project"


def test_dbt_reports_to_nobody() -> None:
    text = (PROJECT_ROOT / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["flags"]["send_anonymous_usage_stats"] is False


# -- results -------------------------------------------------------------------------------------


def node(kind: str, name: str, status: str, message: str | None = None) -> dict[str, Any]:
    return {
        "unique_id": f"{kind}.tapehouse.{name}",
        "status": status,
        "message": message,
        "execution_time": 0.12345,
    }


def written(path: Path, nodes: Sequence[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"results": list(nodes)}), encoding="utf-8")
    return path


def test_results_tell_seconds_per_model_and_tests_by_outcome(tmp_path: Path) -> None:
    nodes = [
        node("model", "bars", "success"),
        node("seed", "timeframes", "success"),
        node("test", "bars_grain.1a2b", "pass"),
        node("test", "bars_high.3c4d", "warn", "Got 1 result"),
        node("test", "bars_low.5e6f", "fail", "Got 2 results,\n  configured to fail"),
        node("unit_test", "bars.winner", "error", "Runtime Error\n  no such column"),
        node("model", "fct_daily_bars", "error", "Binder Error"),
        node("model", "latest_prices", "skipped"),
    ]
    result = read_results(written(tmp_path / "run_results.json", nodes))
    assert result.models.keys() == {"bars", "timeframes", "fct_daily_bars", "latest_prices"}
    assert result.models["bars"] == 0.123
    assert (result.tests_passed, result.tests_failed) == (2, 2)
    assert result.failures == (
        "test bars_low.5e6f: Got 2 results, configured to fail",
        "unit_test bars.winner: Runtime Error no such column",
        "model fct_daily_bars: Binder Error",
    )


def test_nothing_to_do_is_a_result(tmp_path: Path) -> None:
    result = read_results(written(tmp_path / "run_results.json", []))
    assert (result.models, result.tests_passed, result.failures) == ({}, 0, ())


# -- the manifest --------------------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a small project that is not parsed yet."""
    project = tmp_path / "shop"
    for folder in ("models", "macros", "seeds", "tests"):
        (project / folder).mkdir(parents=True)
    (project / "dbt_project.yml").write_text(
        "name: shop\nprofile: shop\nflags: {send_anonymous_usage_stats: false}\n"
    )
    (project / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n"
    )
    (project / "models" / "orders.sql").write_text("select 1 as id")
    monkeypatch.setenv(PROJECT_VARIABLE, str(project))
    return project


def models(manifest: Path) -> dict[str, str]:
    """Return the SQL of each model of a manifest."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    return {node["name"]: node["raw_code"] for node in nodes.values()}


def test_the_manifest_follows_the_project(shop: Path) -> None:
    started = time.time()
    manifest = ensure_manifest()
    assert models(manifest) == {"orders": "select 1 as id"}

    before = manifest.stat().st_mtime_ns
    assert ensure_manifest() == manifest
    assert manifest.stat().st_mtime_ns == before, "nothing has changed"

    (shop / "models" / "orders.sql").unlink()
    (shop / "models" / "refunds.sql").write_text("select 2 as id")
    assert models(ensure_manifest()) == {"refunds": "select 2 as id"}

    assert started < manifest.stat().st_mtime < time.time() - 0.5
    (shop / "models" / "refunds.sql").write_text("select 3 as id")
    edited_at = manifest.stat().st_mtime + 0.01  # while dbt was still reading the project
    os.utime(shop / "models" / "refunds.sql", (edited_at, edited_at))
    assert models(ensure_manifest()) == {"refunds": "select 3 as id"}


def test_a_project_that_does_not_parse_says_where(shop: Path) -> None:
    (shop / "models" / "orders.sql").write_text("{{ ref('nowhere') }}")
    with pytest.raises(DbtError, match=r"(?s)does not parse.*nowhere"):
        ensure_manifest()


# -- a run ---------------------------------------------------------------------------------------


def test_every_node_is_told_of_and_failures_are_named(shop: Path, tmp_path: Path) -> None:
    (shop / "models" / "refunds.sql").write_text("select nonsense")
    (shop / "tests" / "never_right.sql").write_text("select * from {{ ref('orders') }}")
    (shop / "tests" / "always_right.sql").write_text("select * from {{ ref('orders') }} limit 0")
    data = DataDir(tmp_path / "data")
    told: list[tuple[int, int, str]] = []
    with pytest.raises(DbtError) as failed:
        run_build(build_args(), data, data.candidate, lambda *news: told.append(news))
    assert "test never_right: Got 1 result" in str(failed.value)
    assert "model refunds: Runtime Error" in str(failed.value)
    assert "always_right" not in str(failed.value)
    assert {name for _, _, name in told} == {"orders", "refunds", "never_right", "always_right"}
    assert {total for _, total, _ in told} == {4}
    assert max(done for done, _, _ in told) == 4
    log = (data.build / "dbt" / "dbt.log").read_text(encoding="utf-8")
    assert "never_right" in log
    assert "BEGIN" not in log, "what dbt runs is left out unless asked for"


def test_details_go_to_logs_that_want_them_and_all_else_to_every_log() -> None:
    events, heard = HeardEvents(), []
    events.callbacks.append(lambda message: heard.append(message.info.msg))
    events.fire_event(Note(msg="a detail"), EventLevel.DEBUG)
    events.fire_event(Note(msg="a warning"), EventLevel.WARN)
    assert heard == ["a warning"]
    events.add_logger(LoggerConfig("of details", level=EventLevel.DEBUG))
    events.fire_event(Note(msg="a detail"), EventLevel.DEBUG)
    assert heard == ["a warning", "a detail"]


def test_a_dbt_that_cannot_start_says_why(shop: Path, tmp_path: Path) -> None:
    assert shop.is_dir()
    data = DataDir(tmp_path / "data")
    with pytest.raises(DbtError, match=r"(?s)before it built anything.*No such option"):
        run_build(["build", "--no-such-option"], data, data.candidate)
