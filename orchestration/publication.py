"""Versions: publish a passed candidate by atomic replace, roll back, hold, prune.

    <data>/published/<version>.duckdb   an immutable version (mode 0444), named by its build
    <data>/published/<version>.json     written last: the version was current once
    <data>/market.duckdb                a link to the current version: what readers open
    <data>/published/hold.json          set by `rollback`: nothing is published while it is there

Readers that have a version open keep it; the next open sees the new one. A long-lived process
should open the resolved path (`current_path`): DuckDB would give it the old file by the old name.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ingest.clock import Clock, iso, utc_now
from ingest.fault_points import reached
from ingest.lake import sync_folders, write_synced
from ingest.settings import DataDir

PRIVATE_SCHEMA = "staging"
"""Its views point into the lake."""
MOSTLY_FREE = 0.5
SMALL_FILE_BYTES = 64 * 1024 * 1024


class PublicationError(RuntimeError):
    """Nothing was published or changed; the message says why and what to do."""


@dataclass(frozen=True)
class Version:
    """A published version."""

    version: str
    published_at: str
    size_bytes: int
    is_current: bool


def version_path(data: DataDir, version: str) -> Path:
    """Return the file of a version."""
    return data.published / f"{version}.duckdb"


def current_version(data: DataDir) -> str | None:
    """Return the version readers get, or None before the first publication."""
    return data.market.resolve().stem if data.market.exists() else None


def current_path(data: DataDir) -> Path | None:
    """Return the resolved file of the current version, for readers that stay open."""
    return data.market.resolve() if data.market.exists() else None


def versions(data: DataDir) -> list[Version]:
    """Return the versions that are kept, newest first."""
    current = current_version(data)
    found = []
    for note in data.published.glob("*.json"):
        path = version_path(data, note.stem)
        if note.stem != "hold" and path.exists():
            published_at = json.loads(note.read_text(encoding="utf-8"))["published_at"]
            size = path.stat().st_size
            found.append(Version(note.stem, published_at, size, note.stem == current))
    return sorted(found, key=lambda version: version.version, reverse=True)


def hold(data: DataDir) -> dict[str, str] | None:
    """Return what holds publication (version and since), or None."""
    path = data.published / "hold.json"
    if not path.exists():
        return None
    held: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return held


def resume(data: DataDir) -> None:
    """Lift the hold that a rollback set."""
    (data.published / "hold.json").unlink(missing_ok=True)


def publish_file(
    data: DataDir, candidate: Path, version: str, *, keep: int, clock: Clock = utc_now
) -> Version:
    """Make a passed candidate file the current version. Interrupted anywhere, it can be repeated.

    Raises:
        PublicationError: a hold is set.
    """
    if held := hold(data):
        raise PublicationError(
            f"publication is held at version {held['version']} since {held['since']} by a rollback;"
            " lift it with `tapehouse publish --resume`"
        )
    data.published.mkdir(parents=True, exist_ok=True)
    target = version_path(data, version)
    if not target.exists():
        finalise(candidate)
        candidate.chmod(0o444)
        _sync_file(candidate)
        reached("publish:finalised")
        os.link(candidate, target)
        sync_folders(data.published, data.root)
    reached("publish:linked")
    _point_market_at(data, target)
    reached("publish:replaced")
    _note_published(data, version, clock)
    prune(data, keep)
    return next(v for v in versions(data) if v.version == version)


def rollback(data: DataDir, version: str, *, clock: Clock = utc_now) -> None:
    """Make an earlier version current again, and hold publication until `resume`.

    Raises:
        PublicationError: that version is not kept.
    """
    kept = [v.version for v in versions(data)]
    if version not in kept:
        raise PublicationError(
            f"there is no version {version!r}; kept are: {', '.join(kept) or 'none'}"
        )
    write_synced(
        data.published / "hold.json",
        json.dumps({"version": version, "since": iso(clock())}),
    )
    reached("rollback:held")
    _point_market_at(data, version_path(data, version))
    reached("rollback:replaced")


def recover(data: DataDir, clock: Clock = utc_now) -> None:
    """Finish or undo a publication that was interrupted.

    A file that readers already get is a version; one that never became current is none.
    """
    current = current_version(data)
    if current and not (data.published / f"{current}.json").exists():
        _note_published(data, current, clock)
    for path in data.published.glob("*.duckdb"):
        if path.stem != current and not path.with_suffix(".json").exists():
            path.unlink()


def prune(data: DataDir, keep: int) -> list[str]:
    """Remove all but the newest `keep` versions; never the current or the held one."""
    held = (hold(data) or {}).get("version")
    removed = []
    for version in versions(data)[keep:]:
        if not version.is_current and version.version != held:
            version_path(data, version.version).unlink()
            (data.published / f"{version.version}.json").unlink()
            removed.append(version.version)
    return removed


def finalise(path: Path) -> None:
    """Make a database file fit for readers: no views into the lake, checkpointed, verified.

    Raises:
        PublicationError: the file does not open or a view in it cannot be read.
    """
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f'drop schema if exists "{PRIVATE_SCHEMA}" cascade')
        connection.execute("force checkpoint")
        ((total, free),) = connection.execute(
            "select total_blocks * block_size, free_blocks * block_size from pragma_database_size()"
            " where database_name = current_database()"
        ).fetchall()
    if total > SMALL_FILE_BYTES and free > MOSTLY_FREE * total:
        _rewrite(path)
    _verify(path)


def _rewrite(path: Path) -> None:
    """Write the file anew without its free space."""
    compact = path.with_suffix(".compact")
    compact.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        quoted_path, quoted_compact = (str(p).replace("'", "''") for p in (path, compact))
        connection.execute(f"attach '{quoted_path}' as loose (read_only)")
        connection.execute(f"attach '{quoted_compact}' as compact (storage_version 'v1.2.0')")
        connection.execute("copy from database loose to compact")
    compact.replace(path)


def _verify(path: Path) -> None:
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            relations = connection.execute(
                "select table_schema, table_name from information_schema.tables"
                " where table_catalog = current_database()"
            ).fetchall()
            for schema, name in relations:
                connection.execute(f'select * from "{schema}"."{name}" limit 1').fetchall()
    except duckdb.Error as error:
        raise PublicationError(f"the candidate cannot be read back: {error}") from error


def _point_market_at(data: DataDir, target: Path) -> None:
    temporary = data.root / f".market.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.relative_to(data.root))
    temporary.replace(data.market)
    sync_folders(data.root, data.root)


def _note_published(data: DataDir, version: str, clock: Clock) -> None:
    write_synced(
        data.published / f"{version}.json",
        json.dumps({"version": version, "published_at": iso(clock())}),
    )


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
