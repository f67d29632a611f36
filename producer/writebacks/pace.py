"""How fast one shop's API may be asked: a plain rate, or as long as the shop says that its points take to come back."""

import threading
import time
from collections.abc import Callable

from core.errors import CleanplateError

LONGEST_WAIT_SECONDS = 5.0
"""What is longer is waited for with nothing held meanwhile."""


class ShopThrottled(CleanplateError):
    """The shop wants to be asked later; that is no try.

    Args:
        seconds: How much later.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the shop's API wants a pause of {seconds:.1f} s")
        self.seconds = seconds


class Pace:
    """Of one shop; for one thread at a time.

    Args:
        seconds_per_call: Between two calls at least; 0 where the shop tells by itself.
        stop: Ends a wait.
        clock: Seconds that only go up.
    """

    def __init__(
        self, seconds_per_call: float, stop: threading.Event, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds_per_call = seconds_per_call
        self._stop = stop
        self._clock = clock
        self._free_at = 0.0
        self._last_cost = 0.0
        self.points = 0

    @property
    def wait_seconds(self) -> float:
        """How long to wait before the next call."""
        return max(0.0, self._free_at - self._clock())

    def wait(self) -> None:
        """Wait until the next call may be made.

        Raises:
            ShopThrottled: That takes longer than one waits with a shop in hand.
        """
        wait = self.wait_seconds
        if wait > LONGEST_WAIT_SECONDS:
            raise ShopThrottled(wait)
        if wait:
            self._stop.wait(wait)

    def note_call(self, calls: int = 1) -> None:
        """Note that a call was made, or several close upon each other."""
        self.hold(calls * self._seconds_per_call)

    def hold(self, seconds: float) -> None:
        """Make no call for so long."""
        self._free_at = max(self._free_at, self._clock() + seconds)

    def note_points(self, *, requested: float, actual: float, available: float, restored: float) -> None:
        """Wait before the next call until its points will be there.

        Args:
            requested: What the call was held to cost at most before it was made; the next may be held to the same.
            actual: What it did cost; 0 when it was refused.
            available: What is left.
            restored: What comes back in a second.
        """
        self.points += round(actual)
        self._last_cost = max(requested, self._last_cost)
        self.hold(max(0.0, self._last_cost - available) / max(restored, 1.0))
