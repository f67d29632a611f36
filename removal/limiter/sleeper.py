"""How threads sleep until their turn, and see to it meanwhile that nothing waits too long to be told."""

import threading
import time
from collections.abc import Callable

from removal.limiter.clock import RedisClock
from removal.limiter.conversation import Conversation
from removal.limiter.errors import SlotMoved
from removal.limiter.lineup import Lineup
from removal.limiter.permit import Permit

LOOK_SECONDS = 1.0
"""How often a sleeper looks whether it was cancelled, or its turn has moved."""
WATCH_SECONDS = 0.05
"""While calls are frequent one sleeper wakes as often as this, if none does anyway, and tells what waits to be told."""
FREQUENT_SECONDS = 0.1
SHORT_SECONDS = 0.025
"""A nap as short as this is slept through, whatever happens."""

Cancelled = Callable[[], bool] | threading.Event


class Sleeper:
    """Lets the threads of one process sleep.

    Args:
        clock: Translates slots.
        lineup: Knows when each permit is due.
        conversation: Where whoever wakes looks.
    """

    def __init__(self, clock: RedisClock, lineup: Lineup, conversation: Conversation) -> None:
        self._clock = clock
        self._lineup = lineup
        self._conversation = conversation

    def due_in(self, permit: Permit) -> float:
        """Return the seconds until a permit is due, as far as is known; negative when that has passed."""
        return self._clock.to_local(self._lineup.due_us(permit)) - time.monotonic()

    def sleep(self, permit: Permit, ahead_seconds: float, cancelled: Cancelled, latest: float | None = None) -> bool:
        """Sleep until some time before a permit is due; whoever slept for its turn then asks something, or looks.

        Returns:
            Whether it was cancelled.

        Raises:
            SlotMoved: The permit is due after `latest`, in local monotonic seconds.
        """
        is_cancelled = cancelled.is_set if isinstance(cancelled, threading.Event) else cancelled
        is_awake = False
        while not is_cancelled():
            due_in = self.due_in(permit)
            if latest is not None and time.monotonic() + max(0.0, due_in) > latest:
                raise SlotMoved(f"the slot is {due_in:.3f} s away")
            left = due_in - ahead_seconds
            if left <= 0:
                return False
            nap = min(left, LOOK_SECONDS)
            if ahead_seconds:
                nap = self._plan(permit, nap)
                if is_awake:
                    self._conversation.look()
                    nap = min(nap, max(0.0, self.due_in(permit) - ahead_seconds))
            if isinstance(cancelled, threading.Event) and nap > SHORT_SECONDS:
                cancelled.wait(nap)
            else:
                time.sleep(nap)
            if ahead_seconds:
                # One that sleeps to its very slot has no time then.
                self._conversation.wake()
                is_awake = True
        return True

    def _plan(self, permit: Permit, nap: float) -> float:
        now = time.monotonic()
        is_busy = self._lineup.gap_seconds(permit.lane) < FREQUENT_SECONDS
        return self._conversation.plan(now + nap, now + (WATCH_SECONDS if is_busy else nap)) - now
