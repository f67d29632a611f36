"""What a process and those that it started take, and how long others wait meanwhile."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LOOK_SECONDS = 0.05
MB = 1_000_000


@dataclass
class Row:
    """One line of the table.

    Args:
        name: What was done.
        most_mb: What the process and its like may take.
        most_wait: How long others may wait, seconds.
        answer: What came of it.
        seconds: How long it took.
        peak_mb: What they took at most.
        waited: How long others waited at most, seconds.
        failed: Why the bound is not kept, besides memory and waiting.
    """

    name: str
    most_mb: int
    most_wait: float
    answer: str = ""
    seconds: float = 0.0
    peak_mb: int = 0
    waited: float = 0.0
    failed: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        """Whether the bound is kept."""
        return not self.failed and self.peak_mb <= self.most_mb and self.waited <= self.most_wait

    def __str__(self) -> str:
        verdict = "ok" if self.is_kept else f"NOT KEPT {'; '.join(self.failed)}"
        return (
            f"{self.name:<50} {self.seconds:6.1f} s {self.peak_mb:5} MB  others {self.waited:5.2f} s  {verdict:<8} "
            f"{self.answer[:70]}"
        )


@contextmanager
def gauged(name: str, pid: int, ask: Callable[[], object], *, most_mb: int, most_wait: float = 2.0) -> Iterator[Row]:
    """Yield a row that is filled in at the end.

    Args:
        name: What is done in the block.
        pid: Of the process that it is done to.
        ask: What others ask all the while, one after the other; raises when it is refused.
        most_mb: What the process and its like may take.
        most_wait: How long others may wait, seconds.
    """
    row, stop = Row(name, most_mb, most_wait), threading.Event()

    def weigh() -> None:
        while not stop.wait(LOOK_SECONDS):
            row.peak_mb = max(row.peak_mb, taken_by(pid) // MB)

    def keep_asking() -> None:
        while not stop.wait(LOOK_SECONDS):
            began = time.monotonic()
            try:
                ask()
            except Exception as error:
                row.failed.append(f"others: {type(error).__name__} {error}"[:120])
                stop.wait(1)
            row.waited = max(row.waited, time.monotonic() - began)

    threads = [threading.Thread(target=each) for each in (weigh, keep_asking)]
    for each in threads:
        each.start()
    began = time.monotonic()
    try:
        yield row
    finally:
        row.seconds = time.monotonic() - began
        stop.wait(2 * LOOK_SECONDS)
        stop.set()
        for each in threads:
            each.join()
        if not Path(f"/proc/{pid}").exists():
            row.failed.append("the process ended")


def taken_by(pid: int) -> int:
    """Return the bytes that a process and all that it started take, without what they share with files."""
    return sum(_taken(each) for each in _tree(pid))


def _tree(pid: int) -> set[int]:
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _taken(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
