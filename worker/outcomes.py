"""How executions are written down that made a call, or could not use what was paid for."""

from dataclasses import dataclass

from core import logs, tracing
from core.states import AnswerClass
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from removal.answers import Answer
from worker.call import Call
from worker.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Drop:
    """Why an output that was paid for is of no use any more.

    Args:
        noted: How that is written down, the first time.
        held: What the job ends with when it would happen again and again, each time for money.
    """

    noted: AttemptResult
    held: AttemptResult


def _drop(code: str, noted: str, held: str) -> Drop:
    return Drop(*(AttemptResult(AnswerClass.SOURCE, code, message, counted=False) for message in (noted, held)))


_ANOTHER_PHOTO = _drop(
    "source_changed",
    "The photo was replaced after it was paid for and before its output was fetched. That output is dropped: it shows "
    "what the photo was before; the new photo is called for.",
    "Each time this photo is fetched it is another one, so that paid outputs do not fit it. Hand in a copy that stays "
    "as it is; `requeue --held` tries this one again, which may cost a call.",
)
_ASKED_ELSE = _drop(
    "settings_changed",
    "Another provider, or another order of masks, was set after this photo was paid for and before its output was "
    "fetched. That output is dropped: it is not what is asked for now; the photo is called for.",
    "Workers with different settings (REMOVAL_API_URL, REMOVAL_PROVIDER, REMOVAL_MASK_ORDER) take this photo by turns, "
    "so that paid outputs do not fit it. Set the same for all, then `requeue --held`, which may cost a call.",
)


def find_drop(job: ClaimedJob, photo: Prepared) -> Drop | None:
    """Return why the output that was paid for when the job was run before is none of this photo's; None when it is."""
    if job.output_url is None or job.content_key in {None, photo.content_key}:
        return None
    return _ASKED_ELSE if job.source_sha256 == photo.sha256 else _ANOTHER_PHOTO


def outcome_of(call: Call) -> AttemptResult:
    """Return how an attempt is written down that made this call."""
    answer: Answer = call.answer
    return AttemptResult(
        answer_class=answer.answer_class,
        code=answer.code,
        message=answer.message,
        spend=answer.spend,
        counted=answer.answer_class not in {AnswerClass.THROTTLED, AnswerClass.ACCOUNT},
        was_sent=call.was_sent,
        http_status=answer.http_status,
        request_id=answer.request_id,
        latency_seconds=answer.latency_seconds,
        permit_wait_seconds=call.permit_wait_seconds,
        bytes_sent=answer.bytes_sent,
        raw=answer.raw,
    )


def tell(outcome: AttemptResult) -> None:
    """Say in logs and traces how a call ended."""
    logs.bind(
        answer=outcome.answer_class.value,
        http_status=outcome.http_status,
        request_id=outcome.request_id,
        latency_seconds=outcome.latency_seconds,
        permit_wait_seconds=round(outcome.permit_wait_seconds or 0.0, 3),
        spend=outcome.spend.value,
    )
    tracing.tell(request_id=outcome.request_id, answer=outcome.answer_class.value, code=outcome.code)
