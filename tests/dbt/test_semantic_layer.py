"""The semantic layer, as MetricFlow compiles it for DuckDB, says what the marts say."""

import math
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import (
    parse_manifest_from_dbt_generated_manifest,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from tests.dbt.warehouse import Warehouse, connect, rows

Answer = dict[tuple[Any, ...], tuple[Any, ...]]


class DuckDb:
    """What MetricFlow must know to write SQL for DuckDB; it never runs any here."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()


@pytest.fixture(scope="module")
def engine() -> MetricFlowEngine:
    assert Warehouse.parsed
    text = (Warehouse.parsed.parent / "semantic_manifest.json").read_text(encoding="utf-8")
    manifest = parse_manifest_from_dbt_generated_manifest(text)
    return MetricFlowEngine(SemanticManifestLookup(manifest), DuckDb())


def compiled(engine: MetricFlowEngine, metrics: list[str], by: list[str]) -> str:
    request = MetricFlowQueryRequest.create(metric_names=metrics, group_by_names=by)
    return engine.explain(request).sql_statement.sql


def ask(engine: MetricFlowEngine, demo: Warehouse, metrics: list[str], by: list[str]) -> Answer:
    """Return the values of metrics, in their order, by the values of dimensions."""
    with closing(connect(demo.database)) as connection:
        connection.execute(compiled(engine, metrics, by))
        names = [column[0] for column in connection.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
    return {tuple(row[name] for name in by): tuple(row[name] for name in metrics) for row in found}


def same(found: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Compare values of metrics, some of which may be NULL."""
    return all(
        math.isclose(one, other, rel_tol=1e-12)
        if one is not None and other is not None
        else one is other
        for one, other in zip(found, expected, strict=True)
    )


def test_every_metric_can_be_asked_for_by_every_dimension(
    engine: MetricFlowEngine, demo: Warehouse
) -> None:
    metrics = engine.list_metrics()
    assert len(metrics) > 10
    with closing(connect(demo.database)) as connection:
        for metric in metrics:
            dimensions = engine.simple_dimensions_for_metrics([metric.name])
            names = sorted({dimension.dunder_name for dimension in dimensions})
            assert len(names) > 4
            connection.execute(compiled(engine, [metric.name], names))


def test_trades_are_those_of_the_performance_mart(
    engine: MetricFlowEngine, demo: Warehouse
) -> None:
    metrics = ["trade_count", "net_pnl", "fees", "win_rate", "profit_factor"]
    answer = ask(engine, demo, metrics, ["lot__account_id"])
    expected = {
        (account,): values
        for account, *values in rows(
            demo.database,
            "select entity, trade_count, net_pnl_base, fees_base, win_rate, profit_factor"
            " from gold.mart_trading_performance"
            " where entity_type = 'account' and period_type = 'all' and trade_count > 0",
        )
    }
    assert len(expected) > 1
    traded = {key: values for key, values in answer.items() if values[0]}
    assert traded.keys() == expected.keys()
    assert all(same(traded[key], values) for key, values in expected.items())


def test_hit_rates_are_those_of_the_ensemble_mart(
    engine: MetricFlowEngine, demo: Warehouse
) -> None:
    by = ["decision__is_simulated", "decision__timeframe", "decision__asset_class"]
    answer = ask(engine, demo, ["hit_rate"], [*by, "decision__method"])
    expected = {
        key: (hit_rate,)
        for *key_parts, hit_rate in rows(
            demo.database,
            "select is_simulated, timeframe, asset_class, method, hit_rate_5_bars"
            " from gold.mart_ensemble_effectiveness"
            " where decided_by = '(ensemble)' and asset_class <> '(all)'",
        )
        for key in [tuple(key_parts)]
    }
    assert any(rate is not None for (rate,) in expected.values())
    assert answer.keys() == expected.keys()
    assert all(same(answer[key], values) for key, values in expected.items())


def test_equity_of_a_year_is_that_of_its_last_day(
    engine: MetricFlowEngine, demo: Warehouse
) -> None:
    by = ["metric_time__year", "portfolio_day__account_id"]
    answer = ask(engine, demo, ["equity"], by)
    expected = {
        (year, account): (equity,)
        for year, account, equity in rows(
            demo.database,
            "select date_trunc('year', date)::timestamp, account_id, arg_max(equity_base, date)"
            " from gold.mart_daily_portfolio_summary group by all",
        )
    }
    assert len(expected) > 1
    assert answer == expected
