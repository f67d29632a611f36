"""What can be said to a bucket; `verbs.lua` has what each does."""

from core.states import Lane
from removal.limiter.permit import Outcome, Permit

Verb = tuple[str | int | float | bool, ...]
"""The verb's name, then what it needs; False for what is not known."""


def reserve(lane: Lane) -> Verb:
    """Join the queue."""
    return ("reserve", lane.value)


def grant(permit: Permit, ahead_us: int) -> Verb:
    """Ask for the slot; the answer grants one that is at most `ahead_us` away, or tells when to ask again."""
    return ("grant", *_name(permit), ahead_us)


def delay(permit: Permit, by_us: int) -> Verb:
    """Move a granted slot that was missed to `by_us` from now; where it was void, ask for another."""
    return ("late", *_name(permit), by_us, permit.epoch)


def slip(permit: Permit, by_us: int) -> Verb:
    """Tell that a call left so long after its slot."""
    return ("slip", *_name(permit), by_us)


def forget(permit: Permit) -> Verb:
    """Tell that the call that is remembered of a permit was not made."""
    return ("forget", *_name(permit))


def settle(permit: Permit, outcome: Outcome, ban_seconds: float | None, latency_seconds: float | None) -> Verb:
    """Tell what became of a permit."""
    return (
        "settle",
        *_name(permit),
        0,
        permit.epoch,
        permit.generation,
        permit.rate_millis,
        outcome.value,
        False if ban_seconds is None else int(max(0.0, ban_seconds) * 1e6),
        False if latency_seconds is None else float(latency_seconds),
    )


def _name(permit: Permit) -> tuple[str, int, int, int, str]:
    return permit.lane.value, permit.number, permit.born, int(permit.waited), permit.memo
