"""What a worker counts; no label tells single photos apart."""

from decimal import Decimal

from prometheus_client import Counter, Histogram

from core.states import AnswerClass, JobState, Lane
from db.attempts import Outcome
from removal.answers import SUCCESS_CODE

MOST_CODES = 50
"""Codes that are counted by name; there may be any number of others, and each would be a series of its own."""

LONGEST_CODE = 60
OTHER = "other"
ENDED = {JobState.SUCCEEDED, JobState.DEAD, JobState.HELD}
CALL_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)
JOB_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600, 14_400, 86_400)

CALLS = Counter("cleanplate_calls", "Calls of the removal API that were sent", ["class", "code"])
CALL_SECONDS = Histogram("cleanplate_call_seconds", "From the request to the answer", buckets=CALL_BUCKETS)
PERMIT_WAIT_SECONDS = Histogram(
    "cleanplate_permit_wait_seconds", "Waited for a slot of the token bucket", buckets=CALL_BUCKETS
)
JOB_SECONDS = Histogram(
    "cleanplate_job_seconds", "From intake to the end of a photo", ["lane", "state"], buckets=JOB_BUCKETS
)
REUSED = Counter("cleanplate_reused", "Photos that needed no call, as they were cleaned before", ["lane"])
SAVED = Counter("cleanplate_saved_cost", "What those calls would have cost, in the currency of REMOVAL_PRICE")
ARTIFACT_BYTES = Counter("cleanplate_artifact_bytes", "Bytes of outputs that were stored")

# What is first seen at some value has not grown for Prometheus: it must be there, at 0, before anything happens.
for _lane in Lane:
    REUSED.labels(_lane.value)
for _answer, _code in (
    (AnswerClass.SUCCESS, SUCCESS_CODE),
    (AnswerClass.THROTTLED, "501"),
    (AnswerClass.PROVIDER_FAULT, "801"),
):
    CALLS.labels(_answer.value, _code)

_codes: set[str] = set()


def note_call(outcome: Outcome) -> None:
    """Count a call that has ended."""
    if not outcome.was_sent:
        return
    CALLS.labels(outcome.answer_class.value, _bounded(outcome.code)).inc()
    if outcome.latency_seconds is not None:
        CALL_SECONDS.observe(outcome.latency_seconds)
    if outcome.permit_wait_seconds is not None:
        PERMIT_WAIT_SECONDS.observe(outcome.permit_wait_seconds)


def note_reuse(lane: str, state: str, price: Decimal) -> None:
    """Count a photo that ended with what the same photo came to before."""
    if state == JobState.SUCCEEDED:
        REUSED.labels(lane).inc()
        SAVED.inc(float(price))


def note_ending(lane: str, state: str, seconds: float) -> None:
    """Count a photo that has ended, so many seconds after intake."""
    if state in ENDED:
        JOB_SECONDS.labels(lane, state).observe(seconds)


def _bounded(code: str) -> str:
    if len(_codes) < MOST_CODES and len(code) <= LONGEST_CODE:
        _codes.add(code)
    return code if code in _codes else OTHER
