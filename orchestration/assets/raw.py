"""The raw datasets: one asset per provider and dataset, landed in the lake."""

from collections.abc import Iterator

import dagster as dg

from ingest.backfill import LandingReport
from ingest.provider import Dataset
from ingest.providers import inbox, make_providers
from ingest.settings import Settings
from orchestration import line
from orchestration.resources import Warehouse


class DoublingDelay(dg.RetryPolicy):
    """Wait twice as long before each further try (Dagster's own backoff goes 1, 3, 7)."""

    def calculate_delay(self, attempt_num: int) -> float:
        """Return the seconds to wait before a try, counted from 1."""
        return float((self.delay or 0) * 2 ** (attempt_num - 1))


RETRIES = DoublingDelay(max_retries=3, delay=300)
"""A vendor that is down is asked again after 5, 10 and 20 minutes."""


def raw_assets() -> Iterator[dg.AssetsDefinition]:
    """Yield an asset per dataset of every provider, and the inbox."""
    for provider in make_providers(Settings()).values():
        for dataset in provider.datasets.values():
            yield _landed(provider.name, dataset, type(provider).__doc__ or "")
    for dataset in inbox.DATASETS.values():
        yield _inbox(dataset)


def _landed(provider: str, dataset: Dataset, about: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", provider, dataset.name],
        group_name="raw",
        kinds={"python", "parquet"},
        description=_describe(provider, dataset, about),
        retry_policy=RETRIES,
        metadata={"dagster/column_schema": _columns(dataset)},
    )
    def landed(warehouse: Warehouse) -> dg.MaterializeResult[None]:
        vendor = warehouse.providers()[provider]
        requests = warehouse.requests(vendor, dataset.name)
        report = line.ingest_requests(warehouse.settings(), vendor, requests)
        if not report.is_complete:
            failed = "; ".join(f"{failure.request}: {failure.error}" for failure in report.failures)
            raise dg.Failure(
                f"{provider} {dataset.name}: not everything asked for is landed: {failed}",
                metadata=_landing_metadata(report),
                allow_retries=report.can_improve,
            )
        return dg.MaterializeResult(metadata=_landing_metadata(report))

    return landed


def _inbox(dataset: Dataset) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", inbox.PROVIDER, dataset.name],
        group_name="raw",
        kinds={"python", "parquet"},
        description=f"Files people dropped into `<data>/inbox/{dataset.name}/`.",
        metadata={"dagster/column_schema": _columns(dataset)},
    )
    def landed(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> dg.MaterializeResult[None]:
        report = line.ingest_inbox(warehouse.settings())
        for outcome in report.rejected:
            context.log.warning("%s was rejected: %s", outcome.name, outcome.message)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.rows,
                "files": len(report.files),
                "rejected": len(report.rejected),
            }
        )

    return landed


def _landing_metadata(report: LandingReport) -> dict[str, int | str]:
    return {
        "dagster/row_count": report.rows,
        "requests": report.asked,
        "confirmed": report.confirmed,
        "dead_letters": report.dead_letters,
        "failed": len(report.failures),
        "batches": ", ".join(batch.batch_id for batch in report.batches),
    }


def _describe(provider: str, dataset: Dataset, about: str) -> str:
    timeframes = f" Timeframes: {', '.join(dataset.timeframes)}." if dataset.timeframes else ""
    return f"{dataset.name} of {provider}, verbatim. {about.strip().splitlines()[0]}{timeframes}"


def _columns(dataset: Dataset) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(field.column, "string", description=f"`{field.path}` as sent")
            for field in dataset.fields
        ]
    )
