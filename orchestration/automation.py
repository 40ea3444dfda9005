"""Jobs, schedules and the inbox sensor."""

import hashlib
from collections.abc import Iterator, Sequence

import dagster as dg

from ingest.providers import inbox
from ingest.settings import Settings
from orchestration.resources import Warehouse

RAW = dg.AssetSelection.groups("raw")
CHECKED = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()

materialize_all = dg.define_asset_job(
    "materialize_all",
    selection=CHECKED,
    description="Land everything that is configured, build, check and publish.",
)
ingest_incremental = dg.define_asset_job(
    "ingest_incremental",
    selection=RAW,
    description="Land what is missing of every configured dataset; build nothing.",
)
build_and_publish = dg.define_asset_job(
    "build_and_publish",
    selection=CHECKED - RAW,
    description="Build from the lake as it is, check and publish.",
)
publish_inbox = dg.define_asset_job(
    "publish_inbox",
    selection=(CHECKED - RAW) | dg.AssetSelection.key_prefixes(["raw", inbox.PROVIDER]),
    description="Land dropped files, build, check and publish.",
)
JOBS = (materialize_all, ingest_incremental, build_and_publish, publish_inbox)


def schedules(settings: Settings) -> Sequence[dg.ScheduleDefinition]:
    """Return the schedules; their times are settings, and each is switched on in the UI."""
    return [
        dg.ScheduleDefinition(
            name="materialize_all_daily",
            job=materialize_all,
            cron_schedule=settings.daily_cron,
            execution_timezone="UTC",
            description="After the UTC day has ended: crypto days are complete.",
        ),
        dg.ScheduleDefinition(
            name="materialize_all_weekdays",
            job=materialize_all,
            cron_schedule=settings.weekday_cron,
            execution_timezone="UTC",
            description="After the US market has closed, in winter as in summer.",
        ),
        dg.ScheduleDefinition(
            name="ingest_incremental_hourly",
            job=ingest_incremental,
            cron_schedule=settings.hourly_cron,
            execution_timezone="UTC",
            description="Keep the lake close behind the vendors.",
        ),
    ]


@dg.sensor(
    name="inbox",
    job=publish_inbox,
    minimum_interval_seconds=30,
    description="Starts a run when files in the inbox have changed.",
)
def inbox_sensor(warehouse: Warehouse) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a run per new set of waiting files."""
    waiting = sorted(
        f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}"
        for dataset in inbox.DATASETS
        for path in (warehouse.settings().data.inbox / dataset).glob("[!.]*")
        if path.is_file()
    )
    if not waiting:
        yield dg.SkipReason("the inbox is empty")
        return
    key = hashlib.sha256("\n".join(waiting).encode()).hexdigest()
    yield dg.RunRequest(run_key=key)
