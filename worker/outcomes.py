"""How executions are written down that made a call, or could not use what was paid for."""

from core import logs, tracing
from core.states import AnswerClass
from db.attempts import Outcome
from removal.answers import Answer
from worker.caller import Call

DROPPED = Outcome(
    AnswerClass.SOURCE,
    "source_changed",
    "The photo was replaced after it was paid for and before its output was fetched. That output is dropped: it shows "
    "what the photo was before; the new photo is called for.",
    counted=False,
)

CHANGES = Outcome(
    AnswerClass.SOURCE,
    "source_changed",
    "Each time this photo is fetched it is another one, so that paid outputs do not fit it. Hand in a copy that stays "
    "as it is; `requeue --held` tries this one again, which may cost a call.",
    counted=False,
)


def outcome_of(call: Call) -> Outcome:
    """Return how an attempt is written down that made this call."""
    answer: Answer = call.answer
    return Outcome(
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


def tell(outcome: Outcome) -> None:
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
