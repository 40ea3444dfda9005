"""dbt with the project as it was parsed before: a build does not wait for it to be parsed again.

What parses the project, and when it does so anew, is in `orchestration.dbt`.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

PARSED = "partial_parse.msgpack"
"""The file, beside the manifest, in which dbt keeps a project that it has parsed."""
BUILDING = ("build", "run", "test", "compile")
"""Commands that need nothing of the project but what parsing it gives."""


def run(args: Sequence[str], parsed: Path | None) -> int:
    """Run a dbt command and return the exit code that the `dbt` program would have.

    `parsed` is the project, for the same name of the database; without it, dbt parses.
    """
    manifest = None
    if parsed:
        manifest = Manifest.from_msgpack(parsed.read_bytes())
        manifest.build_flat_graph()  # type: ignore[no-untyped-call] # what macros see as `graph`
    result = dbtRunner(manifest=manifest).invoke(list(args))
    if result.exception:
        sys.stderr.write(f"{result.exception}\n")
        return 2
    return 0 if result.success else 1


def main() -> None:
    """Run `tapehouse-dbt`: as `dbt`, in the project's folder.

    The database's name is part of what was parsed: for a file of another name, dbt parses.
    """
    args = sys.argv[1:]
    parsed = Path("target", "candidate", PARSED)
    is_known = Path(os.environ.get("TAPEHOUSE_DATABASE", "")).stem == parsed.parent.name
    is_building = any(argument in BUILDING for argument in args)
    raise SystemExit(run(args, parsed if is_known and is_building and parsed.exists() else None))
