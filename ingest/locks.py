"""One holder at a time, across processes, with a name to show to whoever has to wait.

The operating system drops the lock when its holder dies, so a crash never leaves one behind.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ingest.clock import Clock, iso, utc_now


class LockedError(RuntimeError):
    """Somebody else holds the lock; the message says who and since when."""


@contextmanager
def exclusive(path: Path, holder: str, clock: Clock = utc_now) -> Iterator[IO[str]]:
    """Hold the lock file `path` as `holder`; yield it, for processes that must hold it too.

    Raises:
        LockedError: another process (or another caller in this one) holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(_describe(path, file.read())) from None
        file.truncate(0)
        json.dump({"holder": holder, "pid": os.getpid(), "since": iso(clock())}, file)
        file.flush()
        try:
            yield file
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)


def _describe(path: Path, content: str) -> str:
    try:
        held = json.loads(content)
    except json.JSONDecodeError:
        return f"{path} is locked by another process; try again when it has finished"
    return (
        f"{path} is locked by {held['holder']} (process {held['pid']}) since {held['since']};"
        " try again when it has finished"
    )
