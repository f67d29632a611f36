"""A call as it is remembered outside the database."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Called:
    """A call that had its slot.

    Args:
        attempt_id: Its row's number.
        job_id: Whose.
        at: When, by Redis' clock.
        account: Whose quota.
    """

    attempt_id: int
    job_id: int
    at: datetime
    account: str
