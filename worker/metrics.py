"""What only workers count; no label tells single photos apart."""

from decimal import Decimal

from prometheus_client import Counter, Histogram

from core import counted
from core.states import JobState, Lane, Screen
from db.attempts import AttemptResult

# Edges around the usual REMOVAL_TIMEOUT and past it, so that calls that ran into it are told from slower ones.
CALL_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 25, 30, 35, 45, 60, 90, 120)

CALL_SECONDS = Histogram("cleanplate_call_seconds", "From the request to the answer", buckets=CALL_BUCKETS)
PERMIT_WAIT_SECONDS = Histogram(
    "cleanplate_permit_wait_seconds", "Waited for a slot of the token bucket", buckets=CALL_BUCKETS
)
REUSED = Counter("cleanplate_reused", "Photos that needed no call, as they were cleaned before", ["lane"])
SAVED = Counter("cleanplate_saved_cost", "What those calls would have cost, in the currency of REMOVAL_PRICE")
BARE = Counter("cleanplate_bare_photos", "Photos on which there was nothing to take off", ["lane", "screen"])
ARTIFACT_BYTES = Counter("cleanplate_artifact_bytes", "Bytes of outputs that were stored")

# What is first seen at some value has not grown for Prometheus: it must be there, at 0, before anything happens.
for _lane in Lane:
    REUSED.labels(_lane.value)
    for _screen in (Screen.REPORT, Screen.SKIP):
        BARE.labels(_lane.value, _screen.value)


def note_call(outcome: AttemptResult) -> None:
    """Count a call that has ended."""
    if not outcome.was_sent:
        return
    counted.note_call(outcome.answer_class, outcome.code)
    if outcome.latency_seconds is not None:
        CALL_SECONDS.observe(outcome.latency_seconds)
    if outcome.permit_wait_seconds is not None:
        PERMIT_WAIT_SECONDS.observe(outcome.permit_wait_seconds)


def note_reuse(lane: str, state: str, price: Decimal) -> None:
    """Count a photo that ended with what the same photo came to before."""
    if state == JobState.SUCCEEDED:
        REUSED.labels(lane).inc()
        SAVED.inc(float(price))


def note_bare(lane: str, screen: str, price: Decimal) -> None:
    """Count a photo on which there was nothing to take off; what is not called for saves its price."""
    BARE.labels(lane, screen).inc()
    if screen == Screen.SKIP:
        SAVED.inc(float(price))
