"""The line, step by step: ingest, build, publish. What a command does and Dagster does, is here.

Each function takes the settings of one warehouse and does one whole step under the right lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.backfill import Ask, LandingReport, OnProgress, backfill, land_all, no_progress
from ingest.clock import Clock, utc_now
from ingest.lake import Lake
from ingest.provider import Provider, Request
from ingest.providers import inbox, secret_values
from ingest.providers.inbox import InboxReport
from ingest.pulls import Entry, read_pulls
from ingest.settings import Settings
from orchestration import candidate as building
from orchestration import publication
from orchestration.dbt import NodeDone
from orchestration.quality import QualityReport
from orchestration.run_records import RunRecord


@dataclass(frozen=True)
class BuildOutcome:
    """A build's record and what its checks found."""

    record: RunRecord
    report: QualityReport


def no_node(_done: int, _total: int, _name: str) -> None:
    """Show nothing."""


def lake_of(settings: Settings, clock: Clock = utc_now) -> Lake:
    """Return the lake of a warehouse, which writes no vendor's secret."""
    return Lake(settings.data, clock, secret_values(settings.environment))


def pulls(settings: Settings, providers: Mapping[str, Provider]) -> Sequence[Entry]:
    """Return what is pulled on schedule, and what is not for now.

    Raises:
        PullsError: the pulls file cannot be used.
    """
    return read_pulls(settings.pulls, providers)


def ingest(
    settings: Settings,
    asks: Iterable[Ask],
    *,
    force: bool = False,
    clock: Clock = utc_now,
    progress: OnProgress = no_progress,
) -> Sequence[LandingReport]:
    """Land what is missing of `asks`, of all their providers at once.

    Raises:
        InterruptedRunError: stopped by Ctrl-C.
    """
    lake = lake_of(settings, clock)
    return land_all(asks, lake, force=force, clock=clock, progress=progress)


def ingest_requests(
    settings: Settings,
    provider: Provider,
    requests: Iterable[Request],
    *,
    force: bool = False,
    clock: Clock = utc_now,
) -> LandingReport:
    """Land what is missing of `requests`, all of one dataset of one provider."""
    return backfill(provider, requests, lake_of(settings, clock), force=force, clock=clock)


def ingest_inbox(
    settings: Settings, *, datasets: Iterable[str] = tuple(inbox.DATASETS), clock: Clock = utc_now
) -> Sequence[InboxReport]:
    """Land the files people dropped, dataset by dataset."""
    lake = lake_of(settings, clock)
    return [inbox.land_inbox(lake, dataset=dataset) for dataset in datasets]


def build(
    settings: Settings,
    *,
    full_refresh: bool = False,
    as_of: datetime | None = None,
    clock: Clock = utc_now,
    on_node: NodeDone = no_node,
    on_check: NodeDone = no_node,
) -> BuildOutcome:
    """Build a candidate and run the gate over it.

    Raises:
        LockedError: somebody else builds.
        DbtError: a model or test failed.
    """
    data = settings.data
    with building.builder_lock(data, "tapehouse build"):
        begun = building.begin(data, full_refresh=full_refresh, as_of=as_of, clock=clock)
        built = building.run_dbt(data, begun, on_node)
        record, report = building.judge(data, built, clock=clock, on_table=on_check)
    return BuildOutcome(record, report)


def publish(
    settings: Settings,
    *,
    build_id: str | None = None,
    resume: bool = False,
    clock: Clock = utc_now,
) -> publication.Version | None:
    """Publish the candidate if it passed; None when its tables equal the current version's.

    Raises:
        LockedError: somebody builds.
        PublicationError: there is no candidate, it did not pass, or publication is held.
        BuildError: the candidate is no longer that of `build_id`.
    """
    data = settings.data
    with building.builder_lock(data, "tapehouse publish"):
        if resume:
            publication.resume(data)
        candidate = building.load_build(data, build_id) if build_id else building.load(data)
        if candidate is None or candidate.as_of:
            if resume:
                return None
            raise publication.PublicationError(
                "there is no candidate to publish; run `tapehouse build` first"
            )
        if candidate.stage == "unchanged":
            building.discard(data)
            return None
        if candidate.stage != "passed":
            raise publication.PublicationError(
                f"build {candidate.build_id} did not pass its checks and is not published; see"
                f" {data.quality / candidate.build_id / 'index.html'} or `tapehouse status`"
            )
        version = publication.publish_file(
            data, data.candidate, candidate.build_id, keep=settings.keep_versions, clock=clock
        )
        building.discard(data)
        return version


def rollback(settings: Settings, version: str, *, clock: Clock = utc_now) -> None:
    """Make a kept version current again and hold publication.

    Raises:
        LockedError: somebody builds.
        PublicationError: that version is not kept.
    """
    with building.builder_lock(settings.data, "tapehouse rollback"):
        publication.rollback(settings.data, version, clock=clock)
