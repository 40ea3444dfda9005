"""Named moments at which a test may kill the process, to prove that a crash there loses nothing.

Every step that changes what a later run will find calls `reached` right after it. In normal use
the environment variable is unset and the call does nothing.
"""

import os
import signal

KILL_AT = "TAPEHOUSE_KILL_AT"


def reached(step: str) -> None:
    """Kill this process with SIGKILL when `TAPEHOUSE_KILL_AT` names `step`."""
    if os.environ.get(KILL_AT) == step:
        os.kill(os.getpid(), signal.SIGKILL)
