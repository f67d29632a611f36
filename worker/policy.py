"""What each answer means for the job: the one table that decides between retry, snooze, dead and held."""

import random
from dataclasses import dataclass

from core.decision import Decision, Move
from core.settings import OnMaybeBilled, Settings
from core.states import AnswerClass
from db.rescues import Lapsed
from removal.answers import Kind

SOURCE_TRIES = 3
OUTPUT_RETRIES = 1
OUTPUT_DOWNLOADS = 10
OUTPUT_DROPS = 2
MOST_LOST_IN_ROW = 3
THROTTLE_SNOOZE_SECONDS = 0.25

UNCOUNTED = frozenset({AnswerClass.THROTTLED, AnswerClass.ACCOUNT})
"""What such a call found out says nothing about its job, which spends no attempt."""
PHOTO_REFUSED = Decision(Move.DEAD)
"""A photo that cannot be sent would be refused again."""


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How often and how soon.

    Args:
        max_attempts: Counted attempts after which a job is dead.
        base_seconds: Upper bound of the first delay; doubles with each attempt.
        cap_seconds: Upper bound of every delay.
        on_maybe_billed: Whether a call that may have been billed is repeated or waits for a person.
    """

    max_attempts: int
    base_seconds: float
    cap_seconds: float
    on_maybe_billed: OnMaybeBilled


def rules_from(settings: Settings) -> RetryRules:
    """Return the rules as they are configured."""
    return RetryRules(
        max_attempts=settings.max_attempts,
        base_seconds=settings.retry_base_seconds,
        cap_seconds=settings.retry_cap_seconds,
        on_maybe_billed=settings.on_maybe_billed,
    )


def backoff_seconds(attempts: int, rules: RetryRules) -> float:
    """Return a delay with exponential growth and full jitter.

    Args:
        attempts: Counted attempts so far, this one included.
        rules: Base and cap.
    """
    ceiling = min(rules.cap_seconds, rules.base_seconds * 2 ** min(attempts - 1, 30))
    return random.uniform(0, ceiling)  # noqa: S311 - jitter, not a secret


def decide(
    kind: Kind,
    *,
    attempts: int,
    same_code: int,
    rules: RetryRules,
    ban_seconds: float | None = None,
) -> Decision:
    """Return what happens after an answer that was no success.

    Args:
        kind: What the answer means.
        attempts: Counted attempts before this one.
        same_code: How many of the job's earlier attempts ended with the answer's code.
        rules: How often and how soon.
        ban_seconds: How long the API said to stay away, if it did.
    """
    spent = attempts + 1
    again = Decision(Move.RETRY, max(backoff_seconds(spent, rules), ban_seconds or 0.0))
    if spent >= rules.max_attempts or (kind.retries is not None and same_code >= kind.retries):
        again = Decision(Move.DEAD)
    match kind.answer_class:
        case AnswerClass.THROTTLED:
            return Decision(Move.SNOOZE, ban_seconds or THROTTLE_SNOOZE_SECONDS, counted=False)
        case AnswerClass.ACCOUNT:
            return Decision(Move.SNOOZE, counted=False)
        case AnswerClass.PERMANENT:
            return Decision(Move.DEAD)
        case AnswerClass.SOURCE:
            return again if again.move is Move.DEAD else Decision(Move.RETRY, again.delay_seconds, send_bytes=True)
        case AnswerClass.MAYBE_BILLED if rules.on_maybe_billed is OnMaybeBilled.HOLD:
            return Decision(Move.HELD)
        case _:
            return again


def decide_lost(job: Lapsed, rules: RetryRules) -> Decision:
    """Return what happens to a job whose worker fell silent.

    A call that was on its way may have been billed, and is retried or held as one without an answer; held in any case
    when the database has gone back to a backup since. A job that was in
    no call is due again at once, and nothing is counted, unless workers fell silent over it again and again: a photo
    that ends whoever decodes it would do so for ever.

    Args:
        job: As it is found.
        rules: How often and how soon.
    """
    lost = Decision(Move.RETRY, counted=False)
    if job.is_of_backup:
        lost = Decision(Move.HELD)
    elif job.attempt_id is not None:
        lost = decide(Kind(AnswerClass.MAYBE_BILLED), attempts=job.attempts, same_code=0, rules=rules)
    elif job.lost_in_row >= MOST_LOST_IN_ROW:
        lost = Decision(Move.HELD if job.is_paid else Move.DEAD, counted=False)
    if job.is_cancelled and lost.move is Move.RETRY:
        return Decision(Move.CANCELLED, counted=lost.counted)
    return lost


def decide_output(*, is_refused: bool, attempts: int, same_code: int, rules: RetryRules) -> Decision:
    """Return what happens to a job whose paid output cannot be used: it is paid for once more at most.

    Args:
        is_refused: Whether our own limits forbid to fetch it, as they would the next one.
        attempts: Counted attempts before this one.
        same_code: How many of the job's earlier outputs were wrong in the same way.
        rules: How often and how soon.
    """
    if is_refused:
        return Decision(Move.DEAD)
    again = Kind(AnswerClass.PROVIDER_FAULT, retries=OUTPUT_RETRIES)
    return decide(again, attempts=attempts, same_code=same_code, rules=rules)


def decide_unreachable(*, attempts: int, failed: int, is_final: bool, rules: RetryRules) -> Decision:
    """Return what happens to a job whose photo could not be fetched.

    Args:
        attempts: Counted attempts before this one.
        failed: How many of these failed to fetch it since the last call.
        is_final: Whether it would fail again.
        rules: How often and how soon.
    """
    if is_final or failed + 1 >= SOURCE_TRIES or attempts + 1 >= rules.max_attempts:
        return Decision(Move.DEAD)
    return Decision(Move.RETRY, backoff_seconds(failed + 1, rules))


def decide_dropped(dropped: int) -> Decision | None:
    """Return what happens to a job whose paid output is not its photo's any more; None when it is called for again.

    Args:
        dropped: How many of its outputs were dropped for this before.
    """
    return Decision(Move.HELD, counted=False) if dropped >= OUTPUT_DROPS else None


def decide_download(*, failed: int, rules: RetryRules) -> Decision:
    """Return what happens to a job whose paid output could not be fetched this time.

    None of these tries is counted: they cost nothing, and giving up would lose what is paid for.

    Args:
        failed: How many tries have failed since the call.
        rules: How soon.
    """
    if failed + 1 >= OUTPUT_DOWNLOADS:
        return Decision(Move.DEAD, counted=False)
    return Decision(Move.RETRY, backoff_seconds(failed + 1, rules), counted=False)
