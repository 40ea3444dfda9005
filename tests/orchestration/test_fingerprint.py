"""Which edits count as another rule, and for which models."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.settings import DataDir, Settings
from orchestration.dbt import project_variables, read_manifest
from orchestration.fingerprint import (
    calendar_fingerprint,
    changed_models,
    model_fingerprints,
    overall_fingerprint,
    store_fingerprints,
)
from tests.orchestration.warehouses import query

Manifest = dict[str, Any]
CALENDARS = "calendars"
VARIABLES = {"limit": 1, "digits": 2, "bars_per_batch": 3, "unread": 4}


def node(
    name: str, *parents: str, kind: str = "model", macros: tuple[str, ...] = (), **config: str
) -> Manifest:
    return {
        "name": name,
        "resource_type": kind,
        "checksum": {"checksum": f"sql of {name}"},
        "raw_code": f"sql of {name}",
        "columns": {"id": {"data_type": "bigint", "description": "A number."}},
        "config": {"materialized": "view", **config},
        "depends_on": {
            "nodes": list(parents),
            "macros": [f"macro.shop.{macro}" for macro in macros],
        },
    }


def macro(name: str, *called: str, package: str = "shop") -> Manifest:
    return {
        "unique_id": f"macro.{package}.{name}",
        "package_name": package,
        "macro_sql": f"text of {name}",
        "depends_on": {"macros": [f"macro.shop.{other}" for other in called]},
    }


@pytest.fixture
def manifest() -> Manifest:
    """Return a project: seed and source -> staging -> two incremental models -> table."""
    nodes = {
        "seed.shop.rates": node("rates", kind="seed"),
        "model.shop.staged": node("staged", "source.shop.raw", "seed.shop.rates", macros=("cast",)),
        "model.shop.orders": node(
            "orders",
            "model.shop.staged",
            materialized="incremental",
            incremental_strategy="replace_day",
        ),
        "model.shop.refunds": node("refunds", "source.shop.raw", materialized="incremental"),
        "model.shop.report": node("report", "model.shop.orders", materialized="table"),
        "test.shop.one": node("one", "model.shop.orders", kind="test"),
    }
    macros = [
        macro("cast", "trim"),
        macro("trim"),
        macro("only_when_run"),
        macro("unused"),
        macro("get_incremental_replace_day_sql"),
        macro("is_incremental", package="dbt"),
    ]
    nodes["model.shop.orders"]["raw_code"] = "{% if is_incremental() %}{{ only_when_run() }}"
    return {
        "metadata": {"project_name": "shop"},
        "nodes": nodes,
        "macros": {each["unique_id"]: each for each in macros},
    }


def changed_by(manifest: Manifest, edit: Callable[[Manifest], None]) -> set[str]:
    """Return the models whose fingerprint an edit changes."""
    edited = copy.deepcopy(manifest)
    edit(edited)
    before = model_fingerprints(manifest, CALENDARS, VARIABLES)
    after = model_fingerprints(edited, CALENDARS, VARIABLES)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def set_value(*path: str, value: object = "other") -> Callable[[Manifest], None]:
    """Return an edit that puts a value at a path."""

    def edit(manifest: Manifest) -> None:
        inner = manifest
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return edit


def sql_of(unique_id: str) -> Callable[[Manifest], None]:
    return set_value("nodes", unique_id, "checksum", "checksum")


def text_of(name: str) -> Callable[[Manifest], None]:
    return set_value("macros", f"macro.shop.{name}", "macro_sql")


def test_only_incremental_models_have_fingerprints(manifest: Manifest) -> None:
    assert model_fingerprints(manifest, CALENDARS, VARIABLES).keys() == {"orders", "refunds"}


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (sql_of("model.shop.orders"), {"orders"}),
        (sql_of("model.shop.staged"), {"orders"}),
        (sql_of("seed.shop.rates"), {"orders"}),
        (sql_of("model.shop.refunds"), {"refunds"}),
        (text_of("cast"), {"orders"}),
        (text_of("trim"), {"orders"}),
        (text_of("only_when_run"), {"orders"}),
        (text_of("get_incremental_replace_day_sql"), {"orders"}),
        (
            set_value("nodes", "model.shop.staged", "columns", "id", "data_type", value="double"),
            {"orders"},
        ),
    ],
)
def test_what_changes_rows_changes_fingerprints(
    manifest: Manifest, edit: Callable[[Manifest], None], changed: set[str]
) -> None:
    assert changed_by(manifest, edit) == changed


@pytest.mark.parametrize(
    "edit",
    [
        sql_of("model.shop.report"),
        sql_of("test.shop.one"),
        text_of("unused"),
        set_value("macros", "macro.dbt.is_incremental", "macro_sql"),
        set_value("nodes", "model.shop.orders", "columns", "id", "description"),
        set_value("nodes", "model.shop.orders", "description"),
    ],
)
def test_what_changes_no_row_changes_no_fingerprint(
    manifest: Manifest, edit: Callable[[Manifest], None]
) -> None:
    assert changed_by(manifest, edit) == set()


def test_calendars_are_a_rule_of_every_model(manifest: Manifest) -> None:
    before, after = (
        model_fingerprints(manifest, text, VARIABLES) for text in (CALENDARS, "others")
    )
    assert not before.items() & after.items()


@pytest.mark.parametrize(
    ("name", "changed"),
    [("limit", {"refunds"}), ("digits", {"orders"}), ("unread", set()), ("bars_per_batch", set())],
)
def test_variables_are_rules_of_the_models_that_read_them(
    manifest: Manifest, name: str, changed: set[str]
) -> None:
    """In their own SQL, or in a macro they call; but for those that say how to run."""
    refunds = "select * limit {{ var('limit') }} -- {{ var(\"bars_per_batch\") }}"
    manifest["nodes"]["model.shop.refunds"]["raw_code"] = refunds
    manifest["macros"]["macro.shop.trim"]["macro_sql"] = "round(x, {{ var( 'digits' ) }})"
    before = model_fingerprints(manifest, CALENDARS, VARIABLES)
    after = model_fingerprints(manifest, CALENDARS, VARIABLES | {name: 9})
    assert {model for model in before if before[model] != after[model]} == changed


def test_the_order_of_a_manifest_means_nothing(manifest: Manifest) -> None:
    def turn_round(edited: Manifest) -> None:
        for part in ("nodes", "macros"):
            edited[part] = dict(reversed(edited[part].items()))

    assert changed_by(manifest, turn_round) == set()


def test_the_overall_fingerprint_covers_every_model() -> None:
    overall = overall_fingerprint({"a": "1", "b": "2"})
    assert overall == overall_fingerprint({"b": "2", "a": "1"})
    others = [{"a": "1", "b": "3"}, {"a": "1"}, {"a": "2", "b": "1"}]
    assert overall not in map(overall_fingerprint, others)


# -- the real project ----------------------------------------------------------------------------


def test_every_incremental_model_follows_seeds_calendars_and_rules() -> None:
    manifest = read_manifest()
    incremental = set(model_fingerprints(manifest, CALENDARS, project_variables()))
    assert {"bar_versions", "bars_quarantined", "bars"} <= incremental
    for macro_name in ("bar_rules", "standard_bar", "lake_source", "utc_timestamp"):
        edit = set_value("macros", f"macro.tapehouse.{macro_name}", "macro_sql")
        assert {"bar_versions", "bars_quarantined", "bars"} <= changed_by(dict(manifest), edit)
    strategy = "macro.tapehouse.get_incremental_replace_touched_sql"
    assert "bars" in changed_by(dict(manifest), set_value("macros", strategy, "macro_sql"))


def test_thresholds_are_rules_of_the_signals_they_decide() -> None:
    manifest, variables = read_manifest(), project_variables()
    before = model_fingerprints(manifest, CALENDARS, variables)
    after = model_fingerprints(manifest, CALENDARS, variables | {"regime_trend_from": 30})
    changed = {model for model in before if before[model] != after[model]}
    assert {"market_regimes", "market_data_enriched", "signal_events"} <= changed
    assert not {"bars", "indicators"} & changed


def test_the_lexicon_is_a_rule_of_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, variables = read_manifest(), project_variables()
    before = model_fingerprints(manifest, CALENDARS, variables)
    monkeypatch.setattr("orchestration.fingerprint.version", lambda _: "another")
    after = model_fingerprints(manifest, CALENDARS, variables)
    changed = {model for model in before if before[model] != after[model]}
    assert {"int_sentiment__lexicon_scores", "sentiment_scores"} <= changed
    assert not {"bars", "indicators", "news_articles", "social_posts"} & changed


def test_the_published_file_says_which_rules_built_it(small: Path) -> None:
    data = Settings(data_dir=small).data
    stored = dict(query(data.market, "select model, fingerprint from ops.rule_fingerprints"))
    assert stored == model_fingerprints(
        read_manifest(), calendar_fingerprint(data), project_variables()
    )


# -- what the database remembers -----------------------------------------------------------------


def test_a_database_tells_what_was_built_under_other_rules() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema ops")
        rules = {"orders": "1", "refunds": "2"}
        assert changed_models(connection, rules) == ("orders", "refunds")
        store_fingerprints(connection, rules)
        assert changed_models(connection, rules) == ()
        assert changed_models(connection, {**rules, "orders": "3"}) == ("orders",)
        assert changed_models(connection, {**rules, "returns": "1"}) == ("returns",)
        assert changed_models(connection, {"orders": "1"}) == ()
        store_fingerprints(connection, {"orders": "3"})
        assert changed_models(connection, {"orders": "3"}) == ()


def test_calendars_are_told_apart_by_what_they_hold(small: Path, tmp_path: Path) -> None:
    fingerprint = calendar_fingerprint(Settings(data_dir=small).data)
    assert json.loads(fingerprint).keys() == {"XNYS"}
    assert calendar_fingerprint(DataDir(tmp_path / "empty")) == "{}"
