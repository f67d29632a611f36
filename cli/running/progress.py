"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column

from cli.speech import say
from core.figures import count, counted
from core.shown import text_for_terminal
from db.tallies import BatchCounts

RATE_WINDOW_SECONDS = 10.0
ETA_WINDOW_SECONDS = 60.0
"""Longer, so that what is left does not jump about."""
ETA_FROM_SECONDS, ETA_FROM_PHOTOS = 3.0, 3
PLAIN_EVERY_SECONDS = 2.0


_MINUTES_FROM = 600.0


class Meter:
    """Photos and calls per second over the last seconds.

    Args:
        quota: Configured calls per second.
    """

    def __init__(self, quota: float) -> None:
        self._quota = quota
        self._samples: deque[tuple[float, int, int]] = deque()

    def describe(self, counts: BatchCounts, note: str) -> str:
        """Return one line: photos/s, share of the quota used, retries, time left; only `note` before the first call."""
        if note and not (counts.calls or counts.running or counts.total - counts.unsettled):
            return note
        now, done = time.monotonic(), counts.total - counts.unsettled
        self._samples.append((now, done, counts.calls))
        while now - self._samples[0][0] > ETA_WINDOW_SECONDS:
            self._samples.popleft()
        recent = next(each for each in self._samples if now - each[0] <= RATE_WINDOW_SECONDS)
        then, done_then, calls_then = recent
        seconds = max(now - then, 1e-9)
        speed, calls = (done - done_then) / seconds, (counts.calls - calls_then) / seconds
        parts = [
            f"{speed:.1f} photos/s",
            f"quota {min(calls / self._quota, 1):.0%}",
            counted(counts.retries, "retry", "retries"),
        ]
        if counts.dead or counts.held:
            parts.append(f"failed {count(counts.dead)}" + (f", held {count(counts.held)}" if counts.held else ""))
        began, done_at_first, _ = self._samples[0]
        came = done - done_at_first
        # Nothing is told while nothing moves, or too little did to tell from.
        if speed > 0 and counts.unsettled and came >= ETA_FROM_PHOTOS and now - began >= ETA_FROM_SECONDS:
            parts.append(f"ETA {_clock(counts.unsettled * (now - began) / came)}")
        if note:
            parts.append(note)
        return " · ".join(parts)


class Display(Protocol):
    """Something that shows counts."""

    def show(self, counts: BatchCounts, line: str) -> None:
        """Show how far it is."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BarDisplay:
    """A moving bar."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.description}", table_column=Column(overflow="fold")),
            console=Console(stderr=True),
        )
        self._task: TaskID = self._progress.add_task("starting", total=None)

    def show(self, counts: BatchCounts, line: str) -> None:
        """Move the bar."""
        self._progress.update(
            self._task,
            total=counts.total,
            completed=counts.total - counts.unsettled,
            description=text_for_terminal(line),
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class PlainDisplay:
    """A line every few seconds, when something moved."""

    def __init__(self) -> None:
        self._last = ""
        self._next = 0.0

    def show(self, counts: BatchCounts, line: str) -> None:
        """Print a line unless the last one is too fresh or says the same."""
        done = counts.total - counts.unsettled
        text = f"{done}/{counts.total} · {line}"
        if (time.monotonic() >= self._next or counts.unsettled == 0) and text != self._last:
            say(text, err=True)
            self._last, self._next = text, time.monotonic() + PLAIN_EVERY_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def make_display() -> Display:
    """Return a bar when stderr is a terminal, else plain lines."""
    return BarDisplay() if sys.stderr.isatty() else PlainDisplay()


def _clock(seconds: float) -> str:
    step = 60 if seconds > _MINUTES_FROM else 5
    minutes, rest = divmod(math.ceil(seconds / step) * step, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
