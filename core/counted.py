"""Calls and endings, which the dispatcher counts where a worker died; no label tells single photos apart."""

from prometheus_client import Counter, Histogram

from core.states import AnswerClass, JobState

MOST_CODES = 50
"""Codes that are counted by name; there may be any number of others, and each would be a series of its own."""

LONGEST_CODE = 60
OTHER = "other"
ENDED = {JobState.SUCCEEDED, JobState.DEAD, JobState.HELD}
JOB_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400, 259_200)

CALLS = Counter("cleanplate_calls", "Calls of the removal API that were sent", ["class", "code"])
JOB_SECONDS = Histogram(
    "cleanplate_job_seconds", "From intake to the end of a photo", ["lane", "state"], buckets=JOB_BUCKETS
)

# What is first seen at some value has not grown for Prometheus: it must be there, at 0, before anything happens.
for _answer, _code in (
    (AnswerClass.SUCCESS, "200"),
    (AnswerClass.THROTTLED, "501"),
    (AnswerClass.PROVIDER_FAULT, "801"),
    (AnswerClass.MAYBE_BILLED, "worker_lost"),
):
    CALLS.labels(_answer.value, _code)

_codes: set[str] = set()


def note_call(answer_class: AnswerClass, code: str) -> None:
    """Count a call that has ended.

    Args:
        answer_class: What the answer means.
        code: Of the answer.
    """
    CALLS.labels(answer_class.value, _bounded(code)).inc()


def note_ending(lane: str, state: str, seconds: float) -> None:
    """Count a photo if it has ended.

    Args:
        lane: Its lane.
        state: Where it is now.
        seconds: Since its intake.
    """
    if state in ENDED:
        JOB_SECONDS.labels(lane, state).observe(seconds)


def _bounded(code: str) -> str:
    if len(_codes) < MOST_CODES and len(code) <= LONGEST_CODE:
        _codes.add(code)
    return code if code in _codes else OTHER
