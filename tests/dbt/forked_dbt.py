"""dbt in processes of its own, which need neither import it nor parse the project again.

Not for what the tests build: see `warehouse`. A server that has imported dbt once is forked for
every command, and the project, parsed once per test run, is read from a file: of the ten seconds
of work before dbt builds anything, half a second is left.
"""

import gc
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import pytest

from ingest.settings import PROJECT_ROOT
from tests.dbt.preloaded import PARSED_VARIABLE

SERVER = multiprocessing.get_context("forkserver")
"""One for all that tests fork, with what they would import."""
SERVER.set_forkserver_preload(
    ["dbt.cli.main", "dbt.adapters.duckdb.impl", "orchestration.cli", "tests.dbt.preloaded"]
)


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    returncode: int
    output: str


def start(parsed: Path) -> None:
    """Start the server, unless it runs, with a project that it is going to be asked to build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PROJECT_ROOT))  # else it would not find the tests
        patch.setenv(PARSED_VARIABLE, str(parsed))
        ensure_running()


def run(
    args: Sequence[str], *, folder: Path, env: Mapping[str, str], printed: Path, parsed: Path | None
) -> Done:
    """Run a dbt command in `folder`, whatever comes of it; `printed` is where its output goes.

    `parsed` is the `partial_parse.msgpack` of the project, for the same name of the database.
    """
    process = SERVER.Process(target=_invoke, args=(args, folder, dict(env), printed, parsed))
    process.start()
    process.join()
    output = printed.read_text(encoding="utf-8", errors="replace")
    return Done(1 if process.exitcode is None else process.exitcode, output)


def _invoke(
    args: Sequence[str], folder: Path, env: Mapping[str, str], printed: Path, parsed: Path | None
) -> None:
    from dbt.adapters.duckdb.connections import (  # noqa: PLC0415 - in the fork alone
        DuckDBConnectionManager,
    )

    from orchestration.parsed_dbt import run as run_here  # noqa: PLC0415

    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(folder)
    with printed.open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    code = run_here(args, parsed)
    # As when a program ends, which a fork does not: now what is written is in the file.
    DuckDBConnectionManager.close_all_connections()
    gc.collect()
    raise SystemExit(code)
