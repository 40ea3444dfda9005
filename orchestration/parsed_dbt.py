"""dbt with the project as it was parsed before: a build does not wait for it to be parsed again.

What parses the project, and when it does so anew, is in `orchestration.dbt`.
"""

import gc
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager

PARSED = "partial_parse.msgpack"
"""The file, beside the manifest, in which dbt keeps a project that it has parsed."""
BUILDING = ("build", "run", "test", "compile")
"""Commands that need nothing of the project but what parsing it gives."""

LOG_LEVEL_FILE = "DBT_LOG_LEVEL_FILE"
"""dbt's setting of how much goes into `dbt.log`: its default is every statement that it runs."""
DETAILS = (EventLevel.DEBUG, EventLevel.TEST)


class HeardEvents(EventManager):
    """Events, but no details that nobody hears.

    dbt writes out each of thousands before it finds no log that wants it: a tenth of its time.
    """

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,  # noqa: ANN401 - as dbt has it
        force_warn_or_error_handling: bool = False,
    ) -> None:
        """Hand an event to the logs."""
        if (level or e.level_tag()) not in DETAILS or any(
            logger.level in DETAILS for logger in self.loggers
        ):
            super().fire_event(e, level, node, force_warn_or_error_handling)


@cache
def read_parsed(path: Path) -> Manifest:
    """Return a project as dbt parsed it before."""
    gc.disable()  # nothing of what is read is garbage
    manifest = Manifest.from_msgpack(path.read_bytes())
    manifest.build_flat_graph()  # type: ignore[no-untyped-call] # what macros see as `graph`
    gc.enable()
    return manifest


def run(args: Sequence[str], parsed: Path | None) -> int:
    """Run a dbt command and return the exit code that the `dbt` program would have.

    `parsed` is the project, for the same name of the database; without it, dbt parses.
    """
    manifest = read_parsed(parsed) if parsed else None
    # To look through the project's million objects time and again is a tenth of dbt's time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    ctx_set_event_manager(HeardEvents())
    result = dbtRunner(manifest=manifest).invoke(list(args))
    gc.unfreeze()  # or DuckDB complains of what is left when the process ends
    if result.exception:
        sys.stderr.write(f"{result.exception}\n")
        return 2
    return 0 if result.success else 1


def main() -> None:
    """Run `tapehouse-dbt`: as `dbt`, in the project's folder.

    The database's name is part of what was parsed: for a file of another name, dbt parses.
    """
    args = sys.argv[1:]
    os.environ.setdefault(LOG_LEVEL_FILE, EventLevel.INFO.value)
    parsed = Path("target", "candidate", PARSED)
    is_known = Path(os.environ.get("TAPEHOUSE_DATABASE", "")).stem == parsed.parent.name
    is_building = any(argument in BUILDING for argument in args)
    raise SystemExit(run(args, parsed if is_known and is_building and parsed.exists() else None))
