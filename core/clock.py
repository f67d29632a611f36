"""Time, injectable: tests hand in their own."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the program may know of time on this machine (durable times are PostgreSQL's)."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start, never going back."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Sleep up to `seconds`; return True as soon as `stop` is set."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Sleep up to `seconds`; return True as soon as `stop` is set."""
        return stop.wait(max(0.0, seconds))
