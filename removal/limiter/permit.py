"""A permit: one place in the queue, later one slot, in the end one outcome."""

from dataclasses import dataclass
from enum import StrEnum

from core.states import Lane


class Outcome(StrEnum):
    """What became of a permit.

    `ok` is any answer that is no throttle and no fault: it shows that the rate is fine. `failed` says nothing
    about the rate. `unused` means that nothing was sent.
    """

    OK = "ok"
    THROTTLED = "throttled"
    FAILED = "failed"
    UNUSED = "unused"


@dataclass(slots=True, eq=False)
class Permit:
    """A place in the queue of one account; belongs to one thread and is changed by the limiter alone.

    Attributes:
        lane: Which queue it stands in.
        number: Its place, counted from the bucket's birth; below 0 while it has none.
        born: Names the bucket; one that Redis lost and that was made anew has another name.
        at_us: When it is due, in µs of Redis' clock: an estimate until it is granted, exact from then on.
        granted: Whether `at_us` is a slot that only this permit has.
        settled: Whether it was settled; it is of no use then.
        waited: Whether it had to queue, so that the limiter and not idleness set the pace.
        epoch: How many throttles the bucket had seen when it last spoke of this permit.
        generation: How many times the learned rate had changed by then.
        rate_millis: The learned rate of that moment, in calls per 1,000 seconds.
        memo: What the bucket remembers of its call once it has a slot.
    """

    lane: Lane
    number: int = -1
    born: int = 0
    at_us: int = 0
    granted: bool = False
    settled: bool = False
    waited: bool = False
    epoch: int = 0
    generation: int = 0
    rate_millis: int = 0
    memo: str = ""

    @property
    def is_placed(self) -> bool:
        """Whether the bucket has given it its place."""
        return self.number >= 0
