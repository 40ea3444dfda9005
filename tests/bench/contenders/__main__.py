"""Compute the indicators of all prepared bars with one contender; print the seconds it took."""

import time
from importlib import import_module
from pathlib import Path

import typer


def main(contender: str, folder: Path, timeframe: str, memory_limit: str = "3500MB") -> None:
    """Imports are not counted; of the project, what counts is the time of its SQL.

    FOLDER has what `tests.bench.indicators` prepared; MEMORY_LIMIT is for the project only.
    """
    module = import_module(f"tests.bench.contenders.by_{contender}")
    if contender == "project":
        seconds = module.run(folder, memory_limit)
    else:
        started = time.monotonic()
        module.run(folder, timeframe)
        seconds = time.monotonic() - started
    typer.echo(seconds)


if __name__ == "__main__":
    typer.run(main)
