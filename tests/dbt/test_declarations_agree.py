"""What is said in more than one place is the same in all of them.

Python declares what lands, YAML what dbt reads, seeds what rules hold, contracts what is built.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest.lake import lake_schema
from tests.dbt.landing import DATASETS
from tests.dbt.warehouse import PROJECT, Warehouse, connect, rows
from tests.orchestration.warehouses import PARSED

Node = Mapping[str, Any]

LAKE_TYPES = {
    pa.string(): "varchar",
    pa.int64(): "bigint",
    pa.timestamp("us", tz="UTC"): "timestamp with time zone",
}
LINEAGE_MACRO = PROJECT / "macros/lake/lake_source.sql"
LAYERS = ("staging", "silver", "gold", "ops")
NOT_IN_THEIR_LAYER = {
    "int_accounts__changed": "staging",
    "int_bars__remapped_symbols": "staging",
    "int_bars__split_factors": "staging",
    "int_bars__touched_sessions": "staging",
    "int_decisions__changed": "staging",
    "int_decisions__observations": "staging",
    "int_decisions__remeasured": "staging",
    "int_decisions__told": "staging",
    "int_documents__changed": "staging",
    "int_executions__before": "staging",
    "int_executions__changed": "staging",
    "int_features__observations": "staging",
    "int_lots__changed": "staging",
    "int_lots__reattributed": "staging",
    "int_news__revisions": "staging",
    "int_positions__restarts": "staging",
    "int_sentiment__changed": "staging",
    "int_sentiment__texts": "staging",
    "int_signals__observations": "staging",
    "int_signals__restarts": "staging",
    "int_signals__restated": "staging",
    "int_signals__restated_series": "staging",
    "int_trading__changed_bars": "staging",
    "int_trading__revisions": "staging",
}
"""Models whose schema is not their folder's.

What reads the lake (views of what is staged, and of records), is pending or only serves the build
is not published.
"""
READS_THE_LAKE = re.compile(r"int_[a-z_]+__(staged|records)")

MAY_READ: Mapping[str, set[str]] = {
    "staging": {"source", "build_batches"},
    "silver": {"seed", "staging", "silver", "ops"},
    "gold": {"seed", "silver", "gold"},
    "ops": {"seed", "staging", "silver", "ops"},
}
GOLD_NAMES = re.compile(r"(dim|fct|mart|ml)_[a-z_]+|latest_prices")
SILVER_NAMES = re.compile(r"int_[a-z]+(_[a-z]+)*__[a-z_]+|(?!stg_|int_|dim_|fct_|mart_)[a-z_]+")


@pytest.fixture(scope="module")
def manifest(demo: Warehouse) -> Node:
    return demo.manifest()


@pytest.fixture(scope="module")
def models(manifest: Node) -> Mapping[str, Node]:
    return _nodes(manifest, "model")


# -- what lands and what dbt reads -----------------------------------------------------------------


def test_sources_are_the_datasets_that_can_land(manifest: Node) -> None:
    sources = {(each["source_name"], each["name"]) for each in manifest["sources"].values()}
    assert sources == set(DATASETS)


def test_source_columns_are_the_fields_that_land(manifest: Node) -> None:
    declared = {
        (source["source_name"], source["name"]): list(source["columns"])
        for source in manifest["sources"].values()
    }
    assert declared == {
        key: [field.column for field in dataset.fields] for key, dataset in DATASETS.items()
    }


def test_lineage_columns_are_those_that_the_loader_adds() -> None:
    added = re.findall(
        r"{'name': '(\w+)', 'type': '([\w ]+)'}", LINEAGE_MACRO.read_text(encoding="utf-8")
    )
    for dataset in DATASETS.values():
        landed = [(field.name, LAKE_TYPES[field.type]) for field in lake_schema(dataset)]
        assert landed[len(dataset.fields) :] == added


def test_every_source_is_staged_and_every_staging_model_reads_one_source(
    manifest: Node, models: Mapping[str, Node]
) -> None:
    read = {
        name: [parent for parent in _parents(model) if parent in manifest["sources"]]
        for name, model in models.items()
        if _layer(model) == "staging"
    }
    assert {name for name, sources in read.items() if len(sources) != 1} == set()
    assert {source for sources in read.values() for source in sources} == set(manifest["sources"])


def test_all_source_columns_are_described(manifest: Node) -> None:
    lacking = [
        f"{source['name']}.{name}"
        for source in manifest["sources"].values()
        for name, column in source["columns"].items()
        if not column["description"]
    ]
    assert not lacking


# -- rules in seeds --------------------------------------------------------------------------------


def test_finality_lags_are_those_of_the_providers(demo: Warehouse) -> None:
    seed = rows(
        demo.database,
        "select distinct provider, finality_lag_seconds from rules.precedence"
        " where dataset in ('bars', 'quote_bars')",
    )
    assert sorted(seed) == sorted(
        (provider, dataset.finality_lag.total_seconds())
        for (provider, name), dataset in DATASETS.items()
        if name == "bars"
    )


def test_bars_have_a_precedence_for_each_of_their_asset_classes(demo: Warehouse) -> None:
    """Of those a vendor declares; where a record says its own, whatever it may say."""
    seed = set(
        rows(
            demo.database,
            "select provider, asset_class from rules.precedence where dataset = 'bars'",
        )
    )
    declared = {
        (provider, asset_class)
        for (provider, name), dataset in DATASETS.items()
        if name == "bars"
        for asset_class in dataset.asset_classes
    }
    assert declared - seed == set()


def test_every_provider_is_described(demo: Warehouse) -> None:
    known = {name for (name,) in rows(demo.database, "select provider from rules.providers")}
    assert known == {provider for provider, _ in DATASETS}


def test_every_dataset_is_static_or_has_a_limit(demo: Warehouse) -> None:
    seed = rows(demo.database, "select provider, dataset from rules.dataset_freshness")
    assert sorted(seed) == sorted(DATASETS)


def test_quarantine_reasons_are_those_that_rules_can_give(
    demo: Warehouse, models: Mapping[str, Node]
) -> None:
    given = {
        code
        for model in models.values()
        if "reasons" in model["columns"]
        for pattern in (r"then '(\w+)' end", r"\['(\w+)'\] as reasons")
        for code in re.findall(pattern, model["compiled_code"])
    }
    explained = {
        code for (code,) in rows(demo.database, "select reason from rules.quarantine_reasons")
    }
    assert given == explained


def test_timeframes_are_those_of_the_loaders(demo: Warehouse) -> None:
    known = {name for (name,) in rows(demo.database, "select timeframe from rules.timeframes")}
    assert {name for dataset in DATASETS.values() for name in dataset.timeframes} <= known


# -- what YAML says of tables ----------------------------------------------------------------------


def test_models_say_what_a_row_is(manifest: Node) -> None:
    described = {**_nodes(manifest, "model"), **_nodes(manifest, "seed")}
    silent = [
        n for n, node in described.items() if not node["description"].startswith("One row per ")
    ]
    assert not silent


def test_indicator_macros_are_described_with_the_arguments_they_have(
    project: Path, manifest: Node
) -> None:
    """That the arguments are the right ones, dbt itself checks, and warns."""
    lines = (project / PARSED / "said.jsonl").read_text(encoding="utf-8").splitlines()
    said = [json.loads(line)["info"] for line in lines]
    assert said
    assert not [event["msg"] for event in said if event["level"] in ("warn", "error")]
    called = manifest["macros"]["macro.tapehouse.indicator_rows"]["depends_on"]["macros"]
    described = {
        name: (macro["description"], [each["type"] for each in macro["arguments"]])
        for name, macro in manifest["macros"].items()
        if name in called and Path(macro["original_file_path"]).parts[1] == "indicators"
    }
    assert len(described) > 20
    assert not [name for name, (text, types) in described.items() if not text or not all(types)]


def test_columns_are_described_typed_and_built(demo: Warehouse, manifest: Node) -> None:
    built: dict[str, dict[str, str]] = {}
    with closing(connect(demo.database)) as connection:
        found = connection.execute(
            "select schema_name || '.' || table_name, column_name, lower(data_type)"
            " from duckdb_columns() where database_name = current_database() and not internal"
            " order by column_index"
        ).fetchall()
    for table, column, kind in found:
        built.setdefault(table, {})[column] = kind
    declared = {
        f"{node['schema']}.{node['name']}": {
            name: column["data_type"] or node["config"].get("column_types", {}).get(name)
            for name, column in node["columns"].items()
            if column["description"].strip()
        }
        for node in (*_nodes(manifest, "model").values(), *_nodes(manifest, "seed").values())
    }
    of_hooks = {
        table
        for table in built
        if table.startswith("ops.applied_") or table in ("ops.processed_batches", "ops.family_runs")
    }
    # Columns of a shape are described by the union that reads them, not by each staging model.
    for union in _nodes(manifest, "model").values():
        shape = declared[f"{union['schema']}.{union['name']}"]
        for model in _read_by(manifest, union) if "staged_union(" in union["raw_code"] else ():
            if _layer(model) == "staging":
                table = f"staging.{model['name']}"
                of_shape = {name: shape[name] for name in built[table] if name in shape}
                declared[table] = {**of_shape, **declared[table]}
    assert declared == {table: columns for table, columns in built.items() if table not in of_hooks}


def test_not_null_of_a_contract_is_built(demo: Warehouse, models: Mapping[str, Node]) -> None:
    declared = {
        (model["schema"], model["name"], column)
        for model in models.values()
        if model["config"]["materialized"] != "view"
        for column, facts in model["columns"].items()
        if any(constraint["type"] == "not_null" for constraint in facts["constraints"])
    }
    built = rows(
        demo.database,
        "select schema_name, table_name, column_name from duckdb_columns()"
        " where database_name = current_database() and not is_nullable",
    )
    assert declared == set(built)


def test_contracts_are_enforced_on_what_is_published(models: Mapping[str, Node]) -> None:
    loose = [
        name
        for name, model in models.items()
        # dbt has no contracts for models in Python: their tests say what a contract would.
        if _layer(model) != "staging"
        and model["language"] == "sql"
        and not model["config"]["contract"]["enforced"]
    ]
    assert not loose


def test_every_stored_table_has_a_tested_grain(manifest: Node, models: Mapping[str, Node]) -> None:
    keyed = {
        test["attached_node"]
        for test in _nodes(manifest, "test").values()
        if (test.get("test_metadata") or {}).get("name") in ("unique", "unique_grain")
        # Ranges of one thing that do not overlap begin at different times.
        or (test.get("test_metadata") or {}).get("name") == "half_open_intervals"
    }
    without = [
        name
        for name, model in models.items()
        if model["config"]["materialized"] != "view" and model["unique_id"] not in keyed
    ]
    assert not without


def test_every_column_text_is_used() -> None:
    texts = [
        name
        for path in (PROJECT / "models/docs").glob("*.md")
        for name in re.findall(r"{% docs (\w+) %}", path.read_text("utf-8"))
    ]
    used = {
        name
        for folder in ("models", "seeds")
        for path in (PROJECT / folder).rglob("*.yml")
        for name in re.findall(r"{{ doc\('(\w+)'\) }}", path.read_text("utf-8"))
    }
    assert sorted(texts) == sorted(used)


# -- layers ----------------------------------------------------------------------------------------


def test_models_are_in_the_schema_of_their_layer(
    demo: Warehouse, models: Mapping[str, Node]
) -> None:
    declared = {
        name: "staging"
        if READS_THE_LAKE.fullmatch(name) and node["config"]["materialized"] == "view"
        else NOT_IN_THEIR_LAYER.get(name, _layer(node))
        for name, node in models.items()
    }
    assert set(declared.values()) == set(LAYERS)
    assert {name: node["schema"] for name, node in models.items()} == declared
    built = dict(
        rows(
            demo.database,
            "select table_name, table_schema from information_schema.tables"
            " where table_catalog = current_database()",
        )
    )
    assert {name: built[name] for name in declared} == declared


def test_layers_read_only_what_comes_before_them(manifest: Node) -> None:
    """Staging turns the lake into records, Silver records into truth, Gold truth into answers."""
    wrong = [
        f"{model['name']} reads {parent}"
        for model in _nodes(manifest, "model").values()
        for parent in _parents(model)
        if not MAY_READ[_layer(model)] & _is_a(manifest, parent)
    ]
    assert not wrong


def test_names_tell_the_layer(models: Mapping[str, Node]) -> None:
    wrong = [
        node["original_file_path"]
        for name, node in models.items()
        if not _name_pattern(node).fullmatch(name)
    ]
    assert not wrong


def test_a_model_and_its_yaml_stand_side_by_side(models: Mapping[str, Node]) -> None:
    apart = [
        name
        for name, node in models.items()
        if node["patch_path"].split("://")[1]
        != Path(node["original_file_path"]).with_suffix(".yml").as_posix()
    ]
    assert not apart


def _read_by(manifest: Node, model: Node) -> list[Node]:
    """Return the models that a model reads."""
    nodes = (manifest["nodes"].get(parent, {}) for parent in _parents(model))
    return [node for node in nodes if node.get("resource_type") == "model"]


def _is_a(manifest: Node, unique_id: str) -> set[str]:
    """Return what a node is: a source, a seed, or a model by its layer and name."""
    kind = unique_id.partition(".")[0]
    if kind != "model":
        return {kind}
    model = manifest["nodes"][unique_id]
    return {_layer(model), model["name"]}


def _name_pattern(model: Node) -> re.Pattern[str]:
    folder = Path(model["original_file_path"]).parent.name
    return {
        "staging": re.compile(rf"stg_{folder}__[a-z_]+"),
        "silver": SILVER_NAMES,
        "gold": GOLD_NAMES,
        "ops": SILVER_NAMES,
    }[_layer(model)]


def _layer(model: Node) -> str:
    return str(Path(model["original_file_path"]).parts[1])


def _parents(model: Node) -> list[str]:
    return list(model["depends_on"]["nodes"])


def _nodes(manifest: Node, kind: str) -> Mapping[str, Node]:
    return dict(_of_kind(manifest, kind))


def _of_kind(manifest: Node, kind: str) -> Iterator[tuple[str, Node]]:
    for node in manifest["nodes"].values():
        if node["resource_type"] == kind:
            yield node["name"], node
