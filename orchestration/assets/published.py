"""The published file: the last asset, behind every blocking check."""

from collections.abc import Sequence

import dagster as dg

from orchestration import line, publication
from orchestration.assets.warehouse import POOL, candidate_of_run
from orchestration.resources import Warehouse


def published_asset(upstream: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset that publishes the candidate once everything upstream has passed."""

    @dg.asset(
        key=["published", "market"],
        group_name="published",
        deps=upstream,
        kinds={"duckdb"},
        pool=POOL,
        description=(
            "`market.duckdb`, the file readers open: the candidate, put in place atomically after"
            " every check has passed. Nothing is published when no table has changed."
        ),
    )
    def market(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> dg.MaterializeResult[None]:
        settings = warehouse.settings()
        if held := publication.hold(settings.data):
            context.log.warning("publication is held at version %s", held["version"])
            return dg.MaterializeResult(metadata={"held_at": held["version"], "published": False})
        candidate = candidate_of_run(settings.data, context.instance, context.run.run_id)
        version = line.publish(settings, build_id=candidate.build_id if candidate else None)
        current = publication.current_version(settings.data)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(current or ""),
            metadata={
                "published": version is not None,
                "version": current or "",
                "path": dg.MetadataValue.path(str(settings.data.market)),
                **({"size_bytes": version.size_bytes} if version else {}),
            },
        )

    return market
