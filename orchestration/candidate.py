"""The candidate: the private file a build works on, and the note beside it that says how far it is.

A build has three steps, each a function here that a command or a Dagster step calls: `begin` copies
the current version, `record_dbt` notes what dbt did to it, `judge` runs the gate. Only a candidate
that `judge` passed may be published (see `orchestration.publication`).
"""

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from fcntl import ioctl
from pathlib import Path
from typing import IO, Any, Literal

import duckdb

from ingest.backfill import backfill
from ingest.clock import Clock, as_utc, iso, parse_iso, utc_now
from ingest.fault_points import reached
from ingest.lake import Lake, new_batch_id, write_synced
from ingest.locks import exclusive
from ingest.providers.exchange_calendars import ExchangeCalendars
from ingest.settings import DataDir, Settings
from orchestration import fingerprint, publication
from orchestration.dbt import (
    DbtError,
    DbtResult,
    NodeDone,
    build_args,
    project_variables,
    read_manifest,
    run_build,
    unused_staging,
)
from orchestration.quality import QualityReport, run_checks, write_report
from orchestration.run_records import RunRecord, read_record
from orchestration.table_hashes import table_hashes

logger = logging.getLogger("tapehouse.build")

STORAGE_VERSION = "v1.2.0"
_FICLONE = 0x40049409
"""The Linux request that lets two files share their blocks until one of them changes."""


class BuildError(RuntimeError):
    """A build cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Candidate:
    """How far the build in `<data>/build/` is."""

    build_id: str
    started_at: str
    stage: Literal["begun", "partial", "built", "passed", "unchanged", "failed"]
    base_version: str | None
    is_full_refresh: bool
    refreshed_models: tuple[str, ...]
    fingerprints: Mapping[str, str]
    as_of: str | None = None
    unused: Mapping[str, str] = field(default_factory=dict)
    """Staging models of datasets that have never landed, which are left out, and these datasets."""
    dbt: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)

    @property
    def dbt_args(self) -> list[str]:
        """Return the dbt arguments this build needs."""
        return build_args(
            full_refresh=self.is_full_refresh,
            as_of=self.as_of,
            refresh_models=self.refreshed_models,
            exclude=sorted(self.unused),
        )


def database_path(data: DataDir, candidate: Candidate) -> Path:
    """Return the database file a build works on; an as-of build has one of its own."""
    if candidate.as_of is None:
        return data.candidate
    return data.as_of / f"{parse_iso(candidate.as_of):%Y%m%dT%H%M%SZ}.duckdb"


@contextmanager
def builder_lock(data: DataDir, holder: str) -> Iterator[None]:
    """Hold the one builder's lock.

    Raises:
        LockedError: another build or publication is at work, or the dbt of one that was killed;
            the message names it.
    """
    with exclusive(data.build / "lock", holder) as lock, _as_input(lock):
        yield


@contextmanager
def _as_input(file: IO[str]) -> Iterator[None]:
    """Give `file` to every process started meanwhile, as its standard input, and so its lock.

    A build that is killed leaves its dbt behind, which goes on writing for a while.
    """
    before = os.dup(0)
    os.dup2(file.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)


def begin(
    data: DataDir,
    *,
    full_refresh: bool = False,
    as_of: datetime | None = None,
    clock: Clock = utc_now,
) -> Candidate:
    """Start a build on a copy of the current version; what an earlier one left behind is dropped.

    Models whose rules changed since that version are marked for a full refresh.

    Raises:
        DbtError: the dbt project does not parse.
    """
    started = time.monotonic()
    if as_of is None:
        _drop_leftovers(data, clock)
    _refresh_calendars(data, clock)
    manifest = read_manifest()
    fingerprints = fingerprint.model_fingerprints(
        manifest, fingerprint.calendar_fingerprint(data), project_variables()
    )
    base = publication.current_version(data)
    candidate = Candidate(
        build_id=new_batch_id(clock()),
        started_at=iso(clock()),
        stage="begun",
        base_version=base if not (full_refresh or as_of) else None,
        is_full_refresh=full_refresh or as_of is not None or base is None,
        refreshed_models=(),
        fingerprints=fingerprints,
        as_of=iso(as_of) if as_of else None,
        unused=unused_staging(manifest, data),
    )
    path = database_path(data, candidate)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    Path(f"{path}.wal").unlink(missing_ok=True)
    if candidate.base_version and base:
        copy_file(publication.version_path(data, base), path)
        path.chmod(0o644)
        with duckdb.connect(str(path)) as connection:
            changed = fingerprint.changed_models(connection, fingerprints)
        candidate = replace(candidate, refreshed_models=changed)
        if changed:
            logger.info("rules changed: %s will be rebuilt", ", ".join(changed))
    reached("build:copied")
    return _save(data, _timed(candidate, "prepare", started))


def run_dbt(data: DataDir, candidate: Candidate, on_node: NodeDone = lambda *_: None) -> Candidate:
    """Run dbt on the candidate as a command (Dagster streams dbt itself, then calls `record_dbt`).

    Raises:
        DbtError: a model or test failed; the failure is in the run record.
    """
    started = time.monotonic()
    try:
        result = run_build(
            candidate.dbt_args,
            data,
            database_path(data, candidate),
            on_node,
            unused=candidate.unused.values(),
        )
    except DbtError as error:
        fail(data, candidate, f"dbt: {error}")
        raise
    return record_dbt(data, candidate, result, time.monotonic() - started)


def record_dbt(
    data: DataDir,
    candidate: Candidate,
    result: DbtResult,
    seconds: float,
    *,
    is_partial: bool = False,
) -> Candidate:
    """Note that dbt built the candidate, and under which rules.

    A partial build (some models only, to try them) can be looked at but not judged or published.
    """
    with duckdb.connect(str(database_path(data, candidate))) as connection:
        fingerprint.store_fingerprints(connection, candidate.fingerprints)
    reached("build:built")
    steps = {**candidate.steps, "dbt": round(seconds, 3)}
    built = replace(
        candidate, stage="partial" if is_partial else "built", dbt=asdict(result), steps=steps
    )
    return _save(data, built)


def judge(
    data: DataDir,
    candidate: Candidate,
    *,
    clock: Clock = utc_now,
    on_table: NodeDone = lambda *_: None,
) -> tuple[RunRecord, QualityReport]:
    """Run the gate over a built candidate; write its report and the build's record.

    The build's clock is now; for an as-of build, when the newest batch it sees was fetched.

    Raises:
        BuildError: the candidate was not built, or only in part.
    """
    if candidate.stage != "built":
        raise BuildError(
            f"build {candidate.build_id} is {candidate.stage}: only a whole build can be judged;"
            " run `tapehouse build` or materialize all models"
        )
    started = time.monotonic()
    path = database_path(data, candidate)
    limits: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": Settings().memory_limit,
        "temp_directory": str(data.build / "tmp"),
    }
    with duckdb.connect(str(path), config=limits) as connection:
        connection.execute("set TimeZone = 'UTC'")
        now = _last_fetched_at(connection) if candidate.as_of else None
        if candidate.as_of is None and data.market.exists():
            market = str(data.market.resolve()).replace("'", "''")
            connection.execute(f"attach '{market}' as published (read_only)")
        report = run_checks(connection, now=now or clock(), progress=on_table)
        hashes = table_hashes(connection)
    current = publication.current_version(data) if candidate.as_of is None else None
    published = read_record(data, current) if current else None
    is_unchanged = published is not None and dict(published.table_hashes) == hashes
    status: Literal["passed", "unchanged", "failed"] = (
        "failed" if not report.passed else "unchanged" if is_unchanged else "passed"
    )
    candidate = _timed(candidate, "checks", started)
    failed = [result for result in report.results if result.outcome in ("fail", "error")]
    record = RunRecord(
        build_id=candidate.build_id,
        started_at=candidate.started_at,
        finished_at=iso(clock()),
        status=status,
        base_version=candidate.base_version,
        rules_fingerprint=fingerprint.overall_fingerprint(candidate.fingerprints),
        as_of=candidate.as_of,
        is_full_refresh=candidate.is_full_refresh,
        refreshed_models=candidate.refreshed_models,
        error="; ".join(f"{r.table} {r.name}: {r.detail or r.outcome}" for r in failed) or None,
        checks_passed=sum(r.outcome == "pass" for r in report.results),
        checks_warned=sum(r.outcome == "warn" for r in report.results),
        checks_failed=len(failed),
        dbt_tests_passed=candidate.dbt.get("tests_passed", 0),
        dbt_tests_failed=candidate.dbt.get("tests_failed", 0),
        steps=candidate.steps,
        models=candidate.dbt.get("models", {}),
        table_hashes=hashes,
        soda=tuple(asdict(result) for result in report.results),
        inactive_tables=report.inactive,
    )
    write_report(
        report,
        data.quality / candidate.build_id / "index.html",
        metadata={
            "Build": candidate.build_id,
            "Started": candidate.started_at,
            "Compared with": current or "nothing: there is no published version",
            "Status": status,
        },
    )
    record.write(data)
    reached("build:judged")
    _save(data, replace(candidate, stage=status))
    return record, report


def _last_fetched_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    query = "select max(fetched_at) from ops.build_batches"
    ((last,),) = connection.execute(query).fetchall()
    return as_utc(last) if last else None


def fail(data: DataDir, candidate: Candidate, error: str, clock: Clock = utc_now) -> RunRecord:
    """Record that a build failed before it could be judged."""
    record = RunRecord(
        build_id=candidate.build_id,
        started_at=candidate.started_at,
        finished_at=iso(clock()),
        status="failed",
        base_version=candidate.base_version,
        rules_fingerprint=fingerprint.overall_fingerprint(candidate.fingerprints),
        as_of=candidate.as_of,
        is_full_refresh=candidate.is_full_refresh,
        refreshed_models=candidate.refreshed_models,
        error=error,
        steps=candidate.steps,
    )
    record.write(data)
    _save(data, replace(candidate, stage="failed"))
    return record


def load(data: DataDir) -> Candidate | None:
    """Return the build in `<data>/build/`, or None when there is none."""
    note = _note(data.candidate)
    if not note.exists():
        return None
    raw = json.loads(note.read_text(encoding="utf-8"))
    raw["refreshed_models"] = tuple(raw["refreshed_models"])
    return Candidate(**raw)


def load_build(data: DataDir, build_id: str) -> Candidate:
    """Return the build in `<data>/build/` if it is still `build_id`.

    Raises:
        BuildError: another build has taken its place.
    """
    candidate = load(data)
    if candidate is None or candidate.build_id != build_id:
        found = candidate.build_id if candidate else "none"
        raise BuildError(
            f"the candidate of build {build_id} is gone (found: {found}): another build or"
            " publication came between; run the whole build again"
        )
    return candidate


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can."""
    with source.open("rb") as reading, target.open("wb") as writing:
        try:
            ioctl(writing.fileno(), _FICLONE, reading.fileno())
        except OSError:
            shutil.copyfileobj(reading, writing, 16 * 1024 * 1024)


def _refresh_calendars(data: DataDir, clock: Clock) -> None:
    """Land the trading calendars unless this library's are there up to the end of next year."""
    provider = ExchangeCalendars(clock)
    lake = Lake(data, clock)
    landed = lake.batches(provider.name, "sessions")
    if landed and provider.is_current(landed[-1].entries):
        return
    report = backfill(provider, provider.default_request("sessions"), lake, clock=clock)
    if not report.is_complete:
        raise BuildError(f"trading calendars could not be landed: {report.failures[0].error}")


def _drop_leftovers(data: DataDir, clock: Clock) -> None:
    """Clear the build folder; a build that never came to an end gets its record."""
    left = load(data)
    if left and read_record(data, left.build_id) is None:
        RunRecord(
            build_id=left.build_id,
            started_at=left.started_at,
            finished_at=None,
            status="killed",
            base_version=left.base_version,
            rules_fingerprint=fingerprint.overall_fingerprint(left.fingerprints),
            as_of=left.as_of,
            is_full_refresh=left.is_full_refresh,
            error=f"found unfinished at {iso(clock())}",
            steps=left.steps,
        ).write(data)
    publication.recover(data)
    discard(data)


def discard(data: DataDir) -> None:
    """Remove the candidate and its note."""
    _note(data.candidate).unlink(missing_ok=True)
    for path in (data.candidate, Path(f"{data.candidate}.wal")):
        path.unlink(missing_ok=True)


def _note(database: Path) -> Path:
    return database.with_suffix(".json")


def _save(data: DataDir, candidate: Candidate) -> Candidate:
    note = _note(database_path(data, candidate))
    note.parent.mkdir(parents=True, exist_ok=True)
    write_synced(note, json.dumps(asdict(candidate), indent=1))
    return candidate


def _timed(candidate: Candidate, step: str, started: float) -> Candidate:
    seconds = round(time.monotonic() - started, 3)
    return replace(candidate, steps={**candidate.steps, step: seconds})
