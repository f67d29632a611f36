"""Redis' time on this machine's monotonic clock: one estimate for all threads of a process."""

import threading
from dataclasses import dataclass

KEPT_SECONDS = 10.0
SLACK_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class _Sample:
    offset: float
    error: float
    taken: float


class RedisClock:
    """Translates between Redis' microseconds and local monotonic seconds.

    Every answer of Redis carries its time and was asked for and received at known local times; the true offset
    lies somewhere between. The answer that took the shortest way of the last 10 to 20 seconds is believed, as NTP
    does, so a thread that was held up cannot move the others' slots.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._best: _Sample | None = None
        self._next: _Sample | None = None

    def observe(self, redis_us: int, sent: float, received: float) -> None:
        """Take in one answer.

        Args:
            redis_us: Redis' time in the answer, in µs.
            sent: Local monotonic seconds before asking.
            received: Local monotonic seconds after the answer came.
        """
        sample = _Sample(redis_us / 1e6 - (sent + received) / 2, (received - sent) / 2, received)
        with self._lock:
            best = self._best
            if best is None or abs(sample.offset - best.offset) > sample.error + best.error + SLACK_SECONDS:
                # No single offset explains both: the clock was set, or another server answers.
                self._best, self._next = sample, None
                return
            if self._next is None or sample.error <= self._next.error:
                self._next = sample
            if sample.error <= best.error:
                self._best, self._next = sample, None
            elif sample.taken - best.taken > KEPT_SECONDS:
                self._best, self._next = self._next, None

    @property
    def way_seconds(self) -> float:
        """Half of the shortest round trip seen lately; the offset may be wrong by as much, at worst."""
        return self._best.error if self._best else 0.0

    def to_local(self, redis_us: int) -> float:
        """Return the local monotonic seconds of a moment of Redis' clock, in µs."""
        best = self._best
        if best is None:
            raise RuntimeError("Redis has not been asked yet")
        return redis_us / 1e6 - best.offset

    def to_redis(self, local: float) -> int:
        """Return a local monotonic moment in µs of Redis' clock; 0 before Redis has been asked."""
        best = self._best
        return int((local + best.offset) * 1e6) if best else 0
