"""One immutable JSON record per build, good or bad: `<data>/runs/<build_id>.json`.

Build history lives here and not in the database, so that it survives the database and also tells of
builds that were never published. `ops.build_runs` and `ops.soda_results` read it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ingest.lake import write_synced
from ingest.settings import DataDir

Status = Literal["passed", "unchanged", "failed", "killed"]


@dataclass(frozen=True)
class RunRecord:
    """What one build did. Times are RFC 3339 in UTC; durations are in seconds.

    `passed` may be published, `unchanged` passed with tables equal to the current version's,
    `failed` did not pass, `killed` never came to an end.
    """

    build_id: str
    started_at: str
    finished_at: str | None
    status: Status
    base_version: str | None
    rules_fingerprint: str | None
    as_of: str | None
    is_full_refresh: bool
    refreshed_models: tuple[str, ...] = ()
    error: str | None = None
    checks_passed: int = 0
    checks_warned: int = 0
    checks_failed: int = 0
    dbt_tests_passed: int = 0
    dbt_tests_failed: int = 0
    steps: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, float] = field(default_factory=dict)
    table_hashes: Mapping[str, str] = field(default_factory=dict)
    soda: tuple[Mapping[str, Any], ...] = ()
    inactive_tables: tuple[str, ...] = ()

    def write(self, data: DataDir) -> Path:
        """Write the record whole or not at all."""
        data.runs.mkdir(parents=True, exist_ok=True)
        path = data.runs / f"{self.build_id}.json"
        write_synced(path, json.dumps(asdict(self), indent=1))
        return path


def read_record(data: DataDir, build_id: str) -> RunRecord | None:
    """Return the record of a build, or None when it left none."""
    path = data.runs / f"{build_id}.json"
    if not path.exists():
        return None
    raw = json.loads(path.read_text(encoding="utf-8"))
    for name in ("soda", "refreshed_models", "inactive_tables"):
        raw[name] = tuple(raw[name])
    return RunRecord(**raw)


def latest_record(data: DataDir) -> RunRecord | None:
    """Return the record of the last build that left one."""
    ids = sorted(path.stem for path in data.runs.glob("*.json"))
    return read_record(data, ids[-1]) if ids else None
