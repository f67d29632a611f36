"""What processes took: CPU, context switches and memory, read from /proc."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and context switches up to a moment.

    Args:
        seconds: User and system together, to the microsecond.
        user: To the hundredth of a second, in each process.
        system: The same.
        switches: Of all threads that are still there.
    """

    seconds: float = 0.0
    user: float = 0.0
    system: float = 0.0
    switches: int = 0

    def __add__(self, other: Self) -> "Usage":
        return self._joined(other, 1)

    def __sub__(self, other: Self) -> "Usage":
        return self._joined(other, -1)

    def _joined(self, other: Self, sign: int) -> "Usage":
        return Usage(
            self.seconds + sign * other.seconds,
            self.user + sign * other.user,
            self.system + sign * other.system,
            self.switches + sign * other.switches,
        )

    def per(self, photos: int) -> dict[str, float]:
        """Return milliseconds and switches a photo."""
        return {
            "cpu_ms": round(self.seconds / photos * 1000, 2),
            "user_ms": round(self.user / photos * 1000, 2),
            "system_ms": round(self.system / photos * 1000, 2),
            "switches": round(self.switches / photos, 1),
        }


def of_processes(pids: Iterable[int]) -> Usage:
    """Return what processes took so far, and those of their children that have ended."""
    return sum((_of(pid) for pid in pids), Usage())


def of_tree(root: int) -> Usage:
    """Return what a process and all below it took so far."""
    return of_processes(tree(root))


def tree(root: int) -> list[int]:
    """Return the ids of a process and of all below it."""
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (fields := _fields(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def resident_bytes(pids: Iterable[int]) -> int:
    """Return how much memory processes have, what several share divided among them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def _fields(pid: int) -> list[str]:
    """Return the fields of a process after its name; none when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _of(pid: int) -> Usage:
    fields = _fields(pid)
    if not fields:
        return Usage()
    user, system, ended_user, ended_system = (int(field) / TICKS for field in fields[11:15])
    ended = ended_user + ended_system
    ran, switches = _threads(pid)
    # A server's many processes would each lose up to a hundredth; threads that have ended are in the coarse sum only.
    return Usage(max(user + system, ran) + ended, user + ended_user, system + ended_system, switches)


def _threads(pid: int) -> tuple[float, int]:
    """Return the seconds that a process' threads ran, and how often they were switched."""
    nanoseconds = switches = 0
    try:
        threads = list((PROC / str(pid) / "task").iterdir())
    except OSError:
        return 0.0, 0
    for thread in threads:
        try:
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
            lines = (thread / "status").read_text().splitlines()
        except OSError:
            continue
        switches += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return nanoseconds / 1e9, switches
