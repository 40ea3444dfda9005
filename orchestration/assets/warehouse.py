"""All dbt models and seeds as assets, built into the candidate; dbt tests are their checks."""

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets
from dagster_dbt.errors import DagsterDbtError

from ingest.locks import LockedError
from ingest.settings import DataDir
from orchestration import candidate as building
from orchestration.dbt import (
    DbtError,
    environment,
    executable,
    project_dir,
    read_manifest,
    read_results,
    run_build,
)
from orchestration.resources import Warehouse
from orchestration.table_hashes import row_counts

POOL = "candidate"
"""One at a time: every step in this pool works on the one candidate file."""

BUILD_ID_TAG = "tapehouse/build_id"
WAIT_FOR_BUILDER_SECONDS = 300


class Translator(DagsterDbtTranslator):
    """Assets are keyed layer / domain / name, and grouped by layer."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return dbt's own description, columns and SQL under our key and group."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        path = asset_path(self.get_resource_props(manifest, unique_id))
        return spec.replace_attributes(key=dg.AssetKey(path), group_name=path[0])


def asset_path(node: Mapping[str, Any]) -> list[str]:
    """Return the key of a dbt node: its folders below the layer, then its name."""
    if node["resource_type"] == "source":
        return ["raw", node["source_name"], node["name"]]
    if node["resource_type"] == "seed":
        return ["rules", node["name"]]
    folders: list[str] = node["fqn"][1:]
    return folders


def private_parents(manifest: Mapping[str, Any], selected: Collection[tuple[str, ...]]) -> set[str]:
    """Return the models that assets read, directly or not, and that no published file has.

    Those are the private ones, in the schema `staging`, and the batches that their views look at.
    """
    nodes = manifest["nodes"]
    chosen = {unique_id for unique_id, node in nodes.items() if tuple(asset_path(node)) in selected}
    pending, private = list(chosen), set[str]()
    while pending:
        for parent in nodes[pending.pop()]["depends_on"].get("nodes", ()):
            node = nodes.get(parent, {})
            if node.get("schema") in ("staging", "ops") and parent not in chosen | private:
                private.add(parent)
                pending.append(parent)
    return {nodes[unique_id]["name"] for unique_id in private}


def warehouse_assets(manifest: Path) -> dg.AssetsDefinition:
    """Return the asset definitions of the whole dbt project."""

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=Translator(),
        name="warehouse",
        pool=POOL,
    )
    def warehouse_models(
        context: dg.AssetExecutionContext, warehouse: Warehouse, dbt: DbtCliResource
    ) -> Iterator[Any]:
        data = warehouse.settings().data
        try:
            with building.builder_lock(data, f"Dagster run {context.run.run_id}"):
                yield from _build(context, data, dbt)
        except LockedError as error:
            context.log.warning(str(error))
            raise dg.RetryRequested(
                max_retries=3, seconds_to_wait=WAIT_FOR_BUILDER_SECONDS
            ) from error

    return warehouse_models


def candidate_of_run(
    data: DataDir, instance: dg.DagsterInstance, run_id: str
) -> building.Candidate | None:
    """Return the candidate this run built; for a run that built none, the one that is there.

    Raises:
        BuildError: another build has taken the place of this run's.
    """
    run = instance.get_run_by_id(run_id)
    build_id = run.tags.get(BUILD_ID_TAG) if run else None
    return building.load_build(data, build_id) if build_id else building.load(data)


def dbt_resource() -> DbtCliResource:
    """Return dbt as Dagster runs it: the same project and profile as the command."""
    project = str(project_dir())
    return DbtCliResource(
        project_dir=project, profiles_dir=project, dbt_executable=executable("tapehouse-dbt")
    )


def _build(context: dg.AssetExecutionContext, data: DataDir, dbt: DbtCliResource) -> Iterator[Any]:
    started = time.monotonic()
    candidate = building.begin(data)
    context.instance.add_run_tags(context.run.run_id, {BUILD_ID_TAG: candidate.build_id})
    database = building.database_path(data, candidate)
    target = data.build / "dbt"
    results = target / "run_results.json"
    outputs: list[dg.Output[Any]] = []
    try:
        if context.is_subset:
            selected = {tuple(key.path) for key in context.selected_asset_keys}
            private = private_parents(read_manifest(), selected) - set(candidate.unused)
            if private:
                models = ["run", "--select", *sorted(private)]
                run_build(models, data, database, unused=candidate.unused.values())
        results.unlink(missing_ok=True)
        with _variables(environment(data, database, candidate.unused.values())):
            run = dbt.cli(candidate.dbt_args, context=context, target_path=target)
            for event in run.stream():
                if isinstance(event, dg.Output):
                    outputs.append(event)
                else:
                    yield event
    except (DbtError, DagsterDbtError) as error:
        failures = "; ".join(read_results(results).failures) if results.exists() else ""
        building.fail(data, candidate, f"dbt: {failures or error}")
        raise
    result = read_results(results)
    seconds = time.monotonic() - started
    candidate = building.record_dbt(data, candidate, result, seconds, is_partial=context.is_subset)
    with duckdb.connect(str(database), read_only=True) as connection:
        counts = row_counts(connection)
    for output in outputs:
        path = context.asset_key_for_output(output.output_name).path
        metadata: dict[str, dg.RawMetadataValue] = {
            "build_id": candidate.build_id,
            "seconds": result.models.get(path[-1], 0.0),
        }
        if path[-1] in counts:
            metadata["dagster/row_count"] = counts[path[-1]]
        yield output.with_metadata({**output.metadata, **metadata})


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
