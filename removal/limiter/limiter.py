"""The fleet-wide limiter: one queue and one pace for all workers of an account."""

import threading
import time
from collections.abc import Callable

from redis import Redis

from core.states import Lane
from removal.limiter.bucket import Bucket, ScriptAnswer
from removal.limiter.clock import RedisClock
from removal.limiter.errors import SlotMoved
from removal.limiter.lineup import Lineup
from removal.limiter.permit import Outcome, Permit

AHEAD_SECONDS = 0.025
"""How long before its slot a permit is granted: early enough to take the place of one that was given up."""
LATE_SECONDS = 0.0015
"""A call that goes out later than this after its slot is told to the bucket first, which counts it from then on."""
LOOK_SECONDS = 1.0
"""How often a sleeper looks whether it was cancelled, or its turn has moved."""
MOST_DELAY_SECONDS = 0.2

Cancelled = Callable[[], bool] | threading.Event


class Limiter:
    """Hands out the moments at which calls may be made. Thread-safe; one per process.

    Args:
        client: A thread-safe Redis client with short socket timeouts; the caller owns it.
        account: Whose quota; every process that calls for this account must name it the same.
        rate: Calls per second. In any second, over all processes, no more than this many go out, rounded down to
            whole calls; below 1, one call in 1 / rate seconds. The lowest value
            that any process brought in the last ten seconds counts for all; what was learned below it is kept.
        burst: How many calls may go out at once after a pause; never more than `rate` in any second even so.
    """

    def __init__(self, client: Redis, account: str, rate: float, burst: int = 1) -> None:
        if not account or rate <= 0 or burst < 1:
            raise ValueError("the limiter needs an account, a rate above 0 and a burst of at least 1")
        self._clock = RedisClock()
        self._bucket = Bucket(client, account, rate, burst, self._clock)
        self._lineup = Lineup()

    def reserve(self, lane: Lane = Lane.BULK) -> Permit:
        """Join the queue and return the place in it.

        Args:
            lane: Interactive permits go before all bulk ones that have no slot yet.

        Raises:
            LimiterUnavailable: Redis does not answer.
        """
        permit = Permit(lane)
        self._take_in(permit, self._bucket.reserve(lane))
        return permit

    def due_in(self, permit: Permit) -> float:
        """Return the seconds until a permit is due, as far as is known; negative when that has passed."""
        return self._clock.to_local(self._lineup.due_us(permit)) - time.monotonic()

    def sleep_until(self, permit: Permit, *, ahead_seconds: float, cancelled: Cancelled) -> bool:
        """Sleep until some time before a permit is due, for what must be done between that and the call.

        Args:
            permit: From `reserve`.
            ahead_seconds: How long before.
            cancelled: Set or true, for good, once nothing is to be called any more.

        Returns:
            Whether it was cancelled.
        """
        return self._pause(permit, ahead_seconds, cancelled, None)

    def wait_until_due(self, permit: Permit, *, cancelled: Cancelled, latest: float | None = None) -> Permit:
        """Sleep until the permit's exact slot; the call must be sent at once then.

        Args:
            permit: From `reserve`.
            cancelled: Set or true, for good, once nothing is to be called any more. The permit is settled
                `unused` then, and this returns at once.
            latest: Local monotonic seconds by which the call must have left; None for no matter when.

        Returns:
            The same permit, due now or settled.

        Raises:
            LimiterUnavailable: Redis does not answer; the permit is void.
            SlotMoved: The slot is later than `latest`, or this thread was held up until then. The permit keeps its
                place, and may be waited for again.
        """
        delay = LATE_SECONDS
        while True:
            if self._pause(permit, 0.0 if permit.granted else self._ahead(), cancelled, latest):
                self.settle(permit, Outcome.UNUSED)
                return permit
            if not permit.granted or self._lineup.is_void(permit):
                self._grant(permit)
                continue
            late = -self.due_in(permit)
            if 0 <= late <= LATE_SECONDS:
                return permit
            if late > 0:
                # The machine held this thread up. The more often it does, the more time the next answer gets.
                by_us = int((self._clock.way_seconds + delay) * 1e6)
                self._take_in(permit, self._bucket.delay(permit, by_us))
                delay = min(MOST_DELAY_SECONDS, delay * 2)

    def settle(
        self,
        permit: Permit,
        outcome: Outcome,
        *,
        ban_seconds: float | None = None,
        latency_seconds: float | None = None,
    ) -> None:
        """Tell the fleet what became of a permit. Settling one again does nothing.

        Args:
            permit: From `reserve` or `wait_until_due`.
            outcome: `unused` gives the slot back; `throttled` closes the bucket for all.
            ban_seconds: How long the API said that it would refuse, if it did; at most an hour is believed.
            latency_seconds: How long the call took; feeds the mean that the view tells.

        Raises:
            LimiterUnavailable: Redis does not answer; the outcome is lost, the pace is kept.
        """
        if permit.settled:
            return
        permit.settled = True
        self._lineup.note(permit.lane, self._bucket.settle(permit, outcome, ban_seconds, latency_seconds))

    def _take_in(self, permit: Permit, answer: ScriptAnswer) -> None:
        permit.number, permit.born, permit.at_us = answer.number, answer.born, answer.at
        permit.granted, permit.waited = bool(answer.granted), bool(answer.waited)
        permit.epoch, permit.generation, permit.rate_millis = answer.epoch, answer.generation, answer.rate_millis
        self._lineup.note(permit.lane, answer)

    def _ahead(self) -> float:
        return AHEAD_SECONDS + 2 * self._clock.way_seconds

    def _grant(self, permit: Permit) -> None:
        self._take_in(permit, self._bucket.grant(permit, int(self._ahead() * 1e6)))

    def _pause(self, permit: Permit, ahead_seconds: float, cancelled: Cancelled, latest: float | None) -> bool:
        """Sleep until that long before the permit is due; return True as soon as `cancelled` is seen."""
        is_cancelled = cancelled.is_set if isinstance(cancelled, threading.Event) else cancelled
        while not is_cancelled():
            due_in = self.due_in(permit)
            if latest is not None and time.monotonic() + max(0.0, due_in) > latest:
                # A slot that it has is given to the next, and asked for anew when the permit is waited for again.
                permit.granted = False
                raise SlotMoved(f"the slot is {due_in:.3f} s away")
            left = due_in - ahead_seconds
            if left <= 0:
                return False
            nap = min(left, LOOK_SECONDS)
            if isinstance(cancelled, threading.Event) and nap > AHEAD_SECONDS:
                cancelled.wait(nap)
            else:
                time.sleep(nap)
        return True
