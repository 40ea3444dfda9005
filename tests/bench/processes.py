"""Processes whose time and peak memory are their own, and where results are written."""

import json
import multiprocessing
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import duckdb

from ingest.settings import PROJECT_ROOT

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Step:
    """How long a process took, its peak memory (children included), and what it printed."""

    seconds: float
    peak_gb: float
    output: str


def measure(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
) -> Step:
    """Run a command in a folder, which must succeed."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        output = log.read().decode()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output}")
    return Step(round(seconds, 2), round(usage.ru_maxrss / 1e6, 2), output)


def apart(
    function: Callable[Parameters, Returned],
    *args: Parameters.args,
    **kwargs: Parameters.kwargs,
) -> Returned:
    """Call a function in a process of its own: a child's peak memory counts its parent's, too."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def store(name: str, results: Mapping[str, Any]) -> None:
    """Write `bench/<name>.json`, with the machine it was measured on."""
    machine = {
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }
    path = PROJECT_ROOT / "bench" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, **results}, indent=1) + "\n", encoding="utf-8")
