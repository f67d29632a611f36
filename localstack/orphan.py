"""A role that somebody started ends when that somebody is gone, even when it was killed without a chance to say so."""

import os
import signal
import threading

PARENT_FD = "CLEANPLATE_PARENT_FD"
PARENT_GRACE = "CLEANPLATE_PARENT_GRACE"
GRACE_SECONDS = 10.0


def watch_parent() -> None:
    """End this process when the one that started it ends; do nothing when nobody asked for that.

    The starter keeps the other end of a pipe, whose number stands in CLEANPLATE_PARENT_FD. When it closes, this process
    gets SIGTERM, and SIGKILL after CLEANPLATE_PARENT_GRACE seconds (10 if unset). Call it first thing in a role's main.
    """
    given, grace = os.environ.pop(PARENT_FD, ""), os.environ.pop(PARENT_GRACE, "")
    if not given.isdigit():
        return
    fd = int(given)
    os.set_inheritable(fd, False)
    seconds = float(grace) if grace else GRACE_SECONDS
    threading.Thread(target=_end_with_parent, args=(fd, seconds), name="parent", daemon=True).start()


def _end_with_parent(fd: int, grace_seconds: float) -> None:
    while os.read(fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_seconds)
    os.kill(os.getpid(), signal.SIGKILL)
