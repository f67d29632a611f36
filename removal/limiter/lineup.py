"""What one process knows of the queue, so that sleepers learn of changes without asking."""

import threading

from core.states import Lane
from removal.limiter.bucket import ScriptAnswer
from removal.limiter.permit import Permit


class Lineup:
    """When each place in the queue is due, by the newest answer that any thread of this process got."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[Lane, ScriptAnswer] = {}
        self._epoch = (0, 0)

    def note(self, lane: Lane, answer: ScriptAnswer) -> None:
        """Take in an answer about a lane; threads may bring them out of order."""
        with self._lock:
            known = self._newest.get(lane)
            if known is None or known.born != answer.born or known.now <= answer.now:
                self._newest[lane] = answer
            if self._epoch[0] != answer.born or self._epoch[1] < answer.epoch:
                self._epoch = (answer.born, answer.epoch)

    def due_us(self, permit: Permit) -> int:
        """Return when a permit is due, in µs of Redis' clock: an estimate until it is granted."""
        newest = self._newest.get(permit.lane)
        if permit.granted or not permit.is_placed or newest is None or newest.born != permit.born:
            return permit.at_us
        return newest.head_at + max(0, permit.number - newest.head) * newest.gap_ns // 1000

    def foresee_us(self, lane: Lane, behind: int) -> int:
        """Return when whoever joins a lane now, `behind` others who have yet to join, would be due; 0 if not known."""
        newest = self._newest.get(lane)
        return newest.head_at + (newest.tail - newest.head + behind) * newest.gap_ns // 1000 if newest else 0

    def age_us(self, lane: Lane, now_us: int) -> int:
        """Return how old the newest answer about a lane is."""
        newest = self._newest.get(lane)
        return now_us - newest.now if newest else now_us

    def gap_seconds(self, lane: Lane) -> float:
        """Return the time between two slots."""
        newest = self._newest.get(lane)
        return newest.gap_ns / 1e9 if newest else 0.0

    def is_void(self, permit: Permit) -> bool:
        """Return whether a granted slot is known to be void: the bucket closed or was lost since."""
        born, epoch = self._epoch
        return permit.born != born or permit.epoch < epoch
