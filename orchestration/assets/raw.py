"""The raw datasets: one asset per provider and dataset, landed in the lake or streamed into it."""

from collections.abc import Iterator, Sequence

import dagster as dg

from ingest.backfill import LandingReport
from ingest.provider import Dataset, Provider
from ingest.providers import inbox, make_providers
from ingest.pulls import PullsError
from ingest.rest import RestProvider
from ingest.settings import Settings
from ingest.streams import STREAM_DATASETS
from orchestration import line, summary
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
            yield _landed(provider.name, dataset, type(provider).__doc__ or "", _pool(provider))
    for dataset in inbox.DATASETS.values():
        yield _inbox(dataset)


def streamed_assets() -> Iterator[dg.AssetSpec]:
    """Yield what streams land beside Dagster: it knows of them, and does not drive them."""
    for provider, datasets in STREAM_DATASETS.items():
        for dataset in datasets.values():
            yield dg.AssetSpec(
                key=["raw", provider, dataset.name],
                group_name="raw",
                kinds={"python", "parquet"},
                description=f"{dataset.name} of {provider}, verbatim, as they were streamed.",
                metadata={"dagster/column_schema": _columns(dataset)},
            )


def _pool(provider: Provider) -> str | None:
    """Return the pool of a vendor's account: two runs at once would ask it for the same."""
    if not isinstance(provider, RestProvider):
        return None
    return f"vendor_{provider.account or provider.name}"


def _landed(provider: str, dataset: Dataset, about: str, pool: str | None) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", provider, dataset.name],
        group_name="raw",
        kinds={"python", "parquet"},
        description=_describe(provider, dataset, about),
        retry_policy=RETRIES,
        pool=pool,
        metadata={"dagster/column_schema": _columns(dataset)},
    )
    def landed(warehouse: Warehouse) -> dg.MaterializeResult[None]:
        try:
            asks = warehouse.asks(provider, dataset.name)
        except PullsError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        reports = line.ingest(warehouse.settings(), asks) if asks else []
        incomplete = [report for report in reports if not report.is_complete]
        if incomplete:
            raise dg.Failure(
                f"{provider} {dataset.name}: not everything asked for is landed: "
                + "; ".join(summary.shortcomings(incomplete)),
                metadata=_landing_metadata(reports),
                allow_retries=any(report.can_improve for report in incomplete),
            )
        return dg.MaterializeResult(metadata=_landing_metadata(reports))

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
        (report,) = line.ingest_inbox(warehouse.settings(), datasets=[dataset.name])
        for outcome in report.rejected:
            context.log.warning("%s was rejected: %s", outcome.name, outcome.message)
        if report.dead_letters:
            context.log.warning("%s rows broke their contract", report.dead_letters)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.rows,
                "files": len(report.files),
                "rejected": len(report.rejected),
                "dead_letters": report.dead_letters,
            }
        )

    return landed


def _landing_metadata(reports: Sequence[LandingReport]) -> dict[str, int | str]:
    """Return what a run landed; of several providers where one was asked for another."""
    return {
        "dagster/row_count": sum(report.rows for report in reports),
        "requests": sum(report.asked for report in reports),
        "confirmed": sum(report.confirmed for report in reports),
        "dead_letters": sum(report.dead_letters for report in reports),
        "failed": sum(len(report.failures) for report in reports),
        "refused_before": sum(len(report.refused) for report in reports),
        "not_asked": sum(report.not_asked.total() for report in reports),
        "batches": ", ".join(batch.batch_id for report in reports for batch in report.batches),
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
