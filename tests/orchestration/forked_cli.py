"""The `tapehouse` command in processes of its own, which need not import it again.

Not for what a test stops at a moment of its own: that starts the program. A server that has
imported the command once is forked for each: of a second before anything happens, a tenth is left.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.dbt.forked_dbt import SERVER


def run(
    arguments: Sequence[str], *, env: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command in this folder, whatever comes of it."""
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, stream) for stream in ("stdin", "stdout", "stderr")]
        files[0].write_text(stdin, encoding="utf-8")
        process = SERVER.Process(
            target=_invoke, args=(list(arguments), Path.cwd(), dict(env), files)
        )
        process.start()
        process.join()
        shown, said = (path.read_text(encoding="utf-8", errors="replace") for path in files[1:])
    code = 1 if process.exitcode is None else process.exitcode
    return subprocess.CompletedProcess(["tapehouse", *arguments], code, shown, said)


def _invoke(
    arguments: list[str], folder: Path, env: Mapping[str, str], files: Sequence[Path]
) -> None:
    from rich.console import Console  # noqa: PLC0415 - in the fork alone

    from orchestration import cli  # noqa: PLC0415

    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(folder)
    for descriptor, path in enumerate(files):
        with path.open("r+b" if descriptor == 0 else "wb") as file:
            os.dup2(file.fileno(), descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = ["tapehouse", *arguments]
    # As they would be in this environment.
    cli.console, cli.output = Console(stderr=True), Console()
    cli.main()
