"""Finding and ending servers that a killed process left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROC = Path("/proc")


def find_processes(program: str, argument: str) -> list[int]:
    """Return the ids of running processes called `program` whose command line has exactly `argument`.

    Args:
        program: The file name of the executable, such as `postgres`.
        argument: One of its arguments, such as its data folder: what makes it ours.
    """
    listed = _listed_in_proc() if sys.platform == "linux" else _listed_by_ps()
    return [pid for pid, words in listed if words and Path(words[0]).name == program and argument in words[1:]]


def end_processes(pids: list[int], numbers: tuple[signal.Signals, ...], seconds: float) -> None:
    """Signal processes until they are gone: the first signal, `seconds` of patience, then the next one.

    Args:
        pids: What `find_processes` found.
        numbers: From gentle to SIGKILL.
        seconds: How long each signal may take.
    """
    for number in numbers:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not any(is_running(pid) for pid in pids):
                return
            time.sleep(0.05)


def is_program(pid: int, program: str) -> bool:
    """Whether a running process is one of `program`, whose workers may call themselves `program: …`."""
    listed = _listed_in_proc() if sys.platform == "linux" else _listed_by_ps()
    return any(Path(words[0]).name.rstrip(":").split(":")[0] == program for found, words in listed if found == pid)


def is_running(pid: int) -> bool:
    """Whether a process exists and is more than a corpse nobody has collected."""
    try:
        os.kill(pid, 0)
        return (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OSError:
        return sys.platform != "linux"


def _listed_in_proc() -> list[tuple[int, list[str]]]:
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                raw = (entry / "cmdline").read_bytes()
                found.append((int(entry.name), os.fsdecode(raw).rstrip("\0").split("\0")))
    return found


def _listed_by_ps() -> list[tuple[int, list[str]]]:
    listing = subprocess.run(
        ["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=False, timeout=10
    )
    rows = (line.split(None, 1) for line in listing.stdout.splitlines())
    return [(int(row[0]), row[1].split(" ")) for row in rows if len(row) == 2]
