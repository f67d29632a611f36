"""The end of a log, for the message that says why something did not start."""

import json
import os
from pathlib import Path

TAIL_BYTES = 4096
TAIL_LINES = 12
KEPT_BYTES = 5_000_000


def read_tail(path: Path, since: int = 0) -> str:
    """Return the last lines of a log, indented.

    Args:
        path: The log; a missing one is empty.
        since: Leave out what stood before this many bytes.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {_readable(line)}" for line in lines) or "  (the log is empty)"


def _readable(line: str) -> str:
    """Return what a line of JSON tells, for people; any other line as it is."""
    try:
        told = json.loads(line)
        return f"{told['timestamp']} {told['level']} {told['event']}"
    except (ValueError, KeyError, TypeError):
        return line


def open_log(path: Path) -> int:
    """Return a descriptor that appends to a log; one that has grown past 5 MB is moved to `<name>.old` first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > KEPT_BYTES:
        path.replace(path.with_name(path.name + ".old"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
