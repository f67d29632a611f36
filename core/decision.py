"""What is decided about a job after an execution that did not succeed: by the worker's policy, written down by `db`."""

from dataclasses import dataclass
from enum import StrEnum


class Move(StrEnum):
    """Where a job goes after an execution that did not succeed."""

    RETRY = "retry"
    SNOOZE = "snooze"
    DEAD = "dead"
    HELD = "held"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to the job.

    Args:
        move: Where it goes.
        delay_seconds: When it is due again, for a retry or a snooze.
        counted: Whether this execution spends one of its attempts.
        send_bytes: Whether it must be sent as Base64 from now on.
    """

    move: Move
    delay_seconds: float = 0.0
    counted: bool = True
    send_bytes: bool = False
