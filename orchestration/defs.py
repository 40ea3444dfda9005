"""Everything Dagster knows, in one function that gives tests definitions of their own."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ingest.settings import Settings
from orchestration.assets.checks import soda_checks
from orchestration.assets.features import features_asset
from orchestration.assets.published import published_asset
from orchestration.assets.raw import raw_assets, streamed_assets
from orchestration.assets.warehouse import asset_path, dbt_resource, warehouse_assets
from orchestration.automation import JOBS, inbox_sensor, schedules
from orchestration.dbt import ensure_manifest
from orchestration.resources import Warehouse


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return fresh definitions; `resource_overrides` replaces resources by name.

    Raises:
        DbtError: the dbt project does not parse.
    """
    manifest = ensure_manifest()
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    keys = {
        f"{node['schema']}.{node['name']}": dg.AssetKey(asset_path(node))
        for node in nodes
        if node["resource_type"] in ("model", "seed")
    }
    published = [key for table, key in keys.items() if not table.startswith("staging.")]
    market = published_asset(published)
    return dg.Definitions(
        assets=[
            *raw_assets(),
            *streamed_assets(),
            warehouse_assets(manifest),
            market,
            features_asset(market.key),
        ],
        asset_checks=[soda_checks(keys)],
        jobs=JOBS,
        schedules=schedules(Settings()),
        sensors=[inbox_sensor],
        # One process runs one step after the other: they share one candidate and two cores.
        executor=dg.in_process_executor,
        resources={
            "warehouse": Warehouse(),
            "dbt": dbt_resource(),
            **(resource_overrides or {}),
        },
    )
