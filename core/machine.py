"""What this machine knows of its processes."""

import ctypes
import os
import re
import socket
from contextlib import suppress
from pathlib import Path


def pid_here(name: str, role: str) -> int | None:
    """Return the process number in the name of one of our processes, or None when it is another machine's.

    Args:
        name: As in the table of processes: host, process number, and with workers a random word.
        role: What the process does.
    """
    # Host `vm` must not take what is of host `vm-2` for its own, whose number may look like a worker's random word.
    word = "-[0-9a-f]{4}" if role == "worker" else ""
    found = re.fullmatch(re.escape(socket.gethostname()) + rf"-(\d+){word}", name)
    return int(found[1]) if found else None


def still_runs(pid: int, role: str) -> bool:
    """Return whether a process of this machine runs, and is one of ours with this role.

    Args:
        pid: Its number.
        role: A word of its command line.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    # Its number may have gone to another program since.
    try:
        return role.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def memory_limit() -> int:
    """Return how many bytes this process and its like may take: what its container may, or the machine has."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            told = Path(name).read_text().strip()
        except OSError:
            continue
        if told.isdecimal():
            found = min(found, int(told))
    return found


def release_free_memory() -> None:
    """Give memory that is not used any more back to the system, where its allocator would keep it for later."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
