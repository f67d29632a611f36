"""What each answer means for the job: the one table that decides between retry, snooze, dead and held."""

import random
from dataclasses import dataclass
from enum import StrEnum

from core.settings import OnMaybeBilled
from core.states import AnswerClass, Spend
from removal.answers import TRUNCATED

RISK_FILTER_CODE = "1002"
RISK_FILTER_RETRIES = 2
BROKEN_BASE64_CODE = "702"
NO_OUTPUT_CODE = "no_output_url"
SOURCE_TRIES = 3
OUTPUT_RETRIES = 1
OUTPUT_DOWNLOADS = 10
THROTTLE_SNOOZE_SECONDS = 0.25


class Move(StrEnum):
    """Where a job goes after an execution that did not succeed."""

    RETRY = "retry"
    SNOOZE = "snooze"
    DEAD = "dead"
    HELD = "held"


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


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to the job.

    Args:
        move: Where it goes.
        delay_seconds: When it is due again, for a retry or a snooze.
        counted: Whether this execution spends one of its attempts.
        send_bytes: Whether it must be sent as Base64 from now on.
        opens_circuit: Whether the whole account has to stop calling.
    """

    move: Move
    delay_seconds: float = 0.0
    counted: bool = True
    send_bytes: bool = False
    opens_circuit: bool = False


SPEND = {AnswerClass.SUCCESS: Spend.PAID, AnswerClass.MAYBE_BILLED: Spend.MAYBE}


def spend_of(answer_class: AnswerClass, code: str, *, names_output: bool = False) -> Spend:
    """Return what is known of the money of a call with this answer."""
    # A success that forgot to name its output, came only in part, or is not understood, was worked on all the same.
    was_worked_on = code in {NO_OUTPUT_CODE, TRUNCATED} or (names_output and answer_class is AnswerClass.UNKNOWN)
    return Spend.MAYBE if was_worked_on else SPEND.get(answer_class, Spend.NONE)


def backoff_seconds(attempts: int, rules: RetryRules) -> float:
    """Return a delay with exponential growth and full jitter.

    Args:
        attempts: Counted attempts so far, this one included.
        rules: Base and cap.
    """
    ceiling = min(rules.cap_seconds, rules.base_seconds * 2 ** min(attempts - 1, 30))
    return random.uniform(0, ceiling)  # noqa: S311 - jitter, not a secret


def decide(
    answer_class: AnswerClass,
    code: str,
    *,
    attempts: int,
    same_code: int,
    rules: RetryRules,
    ban_seconds: float | None = None,
) -> Decision:
    """Return what happens after an answer that was no success.

    Args:
        answer_class: What kind of answer it was.
        code: Its resCode or short word.
        attempts: Counted attempts before this one.
        same_code: How many of the job's earlier attempts ended with this code.
        rules: How often and how soon.
        ban_seconds: How long the API said to stay away, if it did.
    """
    spent = attempts + 1
    again = Decision(Move.RETRY, max(backoff_seconds(spent, rules), ban_seconds or 0.0))
    if spent >= rules.max_attempts:
        again = Decision(Move.DEAD)
    match answer_class:
        case AnswerClass.THROTTLED:
            return Decision(Move.SNOOZE, ban_seconds or THROTTLE_SNOOZE_SECONDS, counted=False)
        case AnswerClass.ACCOUNT:
            return Decision(Move.SNOOZE, counted=False, opens_circuit=True)
        case AnswerClass.PERMANENT:
            return Decision(Move.DEAD)
        case AnswerClass.SOURCE:
            if code == BROKEN_BASE64_CODE and same_code >= 1:
                return Decision(Move.DEAD)
            return again if again.move is Move.DEAD else Decision(Move.RETRY, again.delay_seconds, send_bytes=True)
        case AnswerClass.MAYBE_BILLED if rules.on_maybe_billed is OnMaybeBilled.HOLD:
            return Decision(Move.HELD)
        case _:
            if code == RISK_FILTER_CODE and same_code >= RISK_FILTER_RETRIES:
                return Decision(Move.DEAD)
            return again


def decide_output(*, is_refused: bool, code: str, attempts: int, same_code: int, rules: RetryRules) -> Decision:
    """Return what happens to a job whose paid output cannot be used: it is paid for once more at most.

    Args:
        is_refused: Whether our own limits forbid to fetch it, as they would the next one.
        code: What is wrong with it.
        attempts: Counted attempts before this one.
        same_code: How many of the job's earlier outputs were wrong in the same way.
        rules: How often and how soon.
    """
    if is_refused or same_code >= OUTPUT_RETRIES:
        return Decision(Move.DEAD)
    return decide(AnswerClass.PROVIDER_FAULT, code, attempts=attempts, same_code=same_code, rules=rules)


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
