"""Feature snapshots as an asset: what `tapehouse export-features` writes, after publication."""

import dagster as dg

from orchestration.features import FeaturesError, export_features, unsettled
from orchestration.resources import Warehouse


def features_asset(market: dg.AssetKey) -> dg.AssetsDefinition:
    """Return the asset that exports the settled dates of the published version."""

    @dg.asset(
        key=["published", "features"],
        group_name="published",
        deps=[market],
        kinds={"parquet"},
        description=(
            "`features/snapshot_date=…/features.parquet`: the rows of `gold.ml_features` of each"
            " settled session date, one immutable file each. Snapshots whose rows would differ"
            " today are left as they are and reported."
        ),
    )
    def features(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> dg.MaterializeResult[None]:
        data = warehouse.settings().data
        try:
            snapshots = export_features(data)
        except FeaturesError as error:
            context.log.warning(str(error))
            return dg.MaterializeResult(metadata={"written": 0, "reason": str(error)})
        differing = [snapshot for snapshot in snapshots if snapshot.outcome == "differs"]
        for snapshot in differing:
            context.log.warning(
                "%s stays as it is, but would differ: %s;"
                " `tapehouse export-features --date %s --force` replaces it",
                snapshot.path,
                snapshot.difference,
                snapshot.date,
            )
        if waits := unsettled(data):
            context.log.warning(waits)
        written = [snapshot for snapshot in snapshots if snapshot.outcome == "written"]
        return dg.MaterializeResult(
            metadata={
                "written": len(written),
                "unchanged": len(snapshots) - len(written) - len(differing),
                "differing": len(differing),
                "rows": sum(snapshot.rows for snapshot in written),
                "waiting": waits,
                "path": dg.MetadataValue.path(str(data.features)),
                **({"newest": str(snapshots[-1].date)} if snapshots else {}),
            }
        )

    return features
