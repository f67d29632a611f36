"""One job from claim to finish: claim → fetch → fit → permit → call → verify → put back → finish.

Short transactions and nothing open during HTTP. The attempt's row is written before the call and settled after
it, so a crash leaves a trace that says "maybe billed".
"""

import random
import threading
import time
from contextlib import nullcontext
from uuid import uuid4

import structlog

from core import counted, logs, tracing
from core.errors import DatabaseDown, DecodersUnavailable, LeaseLost, SourceError, SourceUnreachable, StoreUnavailable
from core.states import AnswerClass, JobState, Lane, Screen
from db import jobs
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from db.session import transact
from db.twins import Twin
from photos import decoders
from photos.memory import MEMORY, NoRoom
from photos.source import Take
from removal.answers import Kind
from removal.limiter import LimiterUnavailable
from worker import metrics, past_attempts
from worker.call import Call, NotCalled, NotKnown, result_of, tell_result
from worker.equipment import Equipment
from worker.execution import GONE, Ending
from worker.paid_output import PaidOutputs
from worker.policy import PHOTO_REFUSED, decide, decide_dropped, decide_unreachable
from worker.prepare import Prepared, Preparer, Taking, find_drop
from worker.request import request_for
from worker.screener import ComeBack

log = structlog.stdlib.get_logger(__name__)

CLAIM_PATIENCE_SECONDS = 30.0
"""Longer than PostgreSQL takes to start anew: a message whose job is not claimed is used up all the same."""

TWIN_SNOOZE_SECONDS = 2.0
NOT_CALLED_SNOOZE_SECONDS = 1.0
OUTAGE_SNOOZE_SECONDS = 2.0
CROWDED_SNOOZE_SECONDS = 3.0
OUTAGE_CODES: dict[type[Exception], str] = {
    StoreUnavailable: "store_unavailable",
    DecodersUnavailable: "decoders_unavailable",
    LimiterUnavailable: "limiter_unavailable",
}


class Pipeline:
    """Runs jobs, one at a time per thread.

    Args:
        tools: What it works with.
    """

    def __init__(self, tools: Equipment) -> None:
        self._tools = tools
        taking = Taking(tools.provider, tools.bounds, tools.takes_bytes, tools.mask_order, tools.mask_origin)
        self._preparer = Preparer(
            tools.engine, tools.writes, tools.fetcher, taking, kind_of=tools.kind_of, worker=tools.worker
        )
        self._paid = PaidOutputs(tools)
        self._claiming: set[int] = set()

    def list_claiming(self) -> list[int]:
        """Return the jobs that are being claimed at this moment."""
        return list(self._claiming)

    def run(self, job_id: int, *, is_urgent: bool = False) -> Ending:
        """Run one job as far as it goes now and return how that ended; never raises for what a job can bring.

        Args:
            job_id: Which.
            is_urgent: Whether somebody waits for it, so that it is not taken together with others.
        """
        tools = self._tools
        self._claiming.add(job_id)
        try:
            # The same for all tries: one whose answer is lost has taken the job, and the next finds it.
            token = uuid4()
            job = tools.writes.claim(job_id, token, is_urgent=is_urgent) or transact(
                tools.engine,
                lambda connection: jobs.claim(
                    connection, job_id, worker=tools.worker, lease_seconds=tools.lease_seconds, token=token
                ),
                patience_seconds=CLAIM_PATIENCE_SECONDS,
                give_up=tools.stopping.is_set,
                repeats_busy=True,
            )
        except DatabaseDown as error:
            log.warning("job %s stays queued: %s", job_id, error)
            return GONE
        finally:
            self._claiming.discard(job_id)
        if job is None:
            return GONE
        with (
            logs.bound(batch=job.batch_id, job=job.id, lane=job.lane),
            tracing.run(
                job.id,
                job.batch_id,
                made_at=job.created_at,
                is_first=not (job.attempts or job.snoozes or job.requeues),
                requeues=job.requeues,
                lane=job.lane,
                worker=tools.worker,
            ),
            tools.leases.hold(job.lease_token) as lost,
            decoders.urgently() if job.lane == Lane.INTERACTIVE else nullcontext(),
        ):
            began = time.monotonic()
            ending = self._run_claimed(job, lost)
            took = time.monotonic() - began
            tracing.end(ending.state, ending.code)
            log.info("attempt", state=ending.state, code=ending.code, message=ending.message, seconds=round(took, 3))
        counted.note_ending(job.lane, ending.state, job.age_seconds + took)
        return ending

    def _run_claimed(self, job: ClaimedJob, lost: threading.Event) -> Ending:
        tools = self._tools
        try:
            if tools.stopping.is_set():
                # Its message is used up; only its row brings it back.
                return tools.finisher.snooze(job, 0.0, "the worker stops")
            try:
                with MEMORY.hold_files(tools.stopping.is_set) as take:
                    return self._work(job, lost, take)
            except (NotCalled, NoRoom) as error:
                delay = CROWDED_SNOOZE_SECONDS if isinstance(error, ComeBack) else NOT_CALLED_SNOOZE_SECONDS
                delay *= 0.0 if tools.stopping.is_set() else random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
                ending = tools.finisher.snooze(job, delay, str(error))
                if isinstance(error, NotKnown):
                    tools.caller.forget(job)
                return ending
            except (LimiterUnavailable, StoreUnavailable, DecodersUnavailable) as error:
                log.error("job %s waits: %s", job.id, error)  # noqa: TRY400 - the cause is in the message
                code = next(code for kind, code in OUTAGE_CODES.items() if isinstance(error, kind))
                return tools.finisher.snooze(job, OUTAGE_SNOOZE_SECONDS, str(error), code=code)
            except SourceError as error:
                return self._refuse(job, error)
            except (LeaseLost, DatabaseDown):
                raise
            except Exception as error:
                log.exception("job %s met an error nobody foresaw", job.id)
                outcome = AttemptResult(AnswerClass.UNKNOWN, "internal_error", f"{type(error).__name__}: {error}")
                unknown = Kind(outcome.answer_class)
                decision = decide(unknown, attempts=job.attempts, same_code=0, rules=tools.rules)
                return tools.finisher.apply(job, None, outcome, decision)
        except LeaseLost as error:
            log.warning("%s", error)
            return GONE
        except DatabaseDown as error:
            log.warning("job %s is left to its lease: %s", job.id, error)
            return GONE

    def _work(self, job: ClaimedJob, lost: threading.Event, take: Take) -> Ending:
        with self._tools.screener.place_for(job):
            try:
                photo, twin = self._preparer.take_in(job, take)
            except DatabaseDown as error:
                raise NotCalled(str(error)) from error
            ending = self._end_without_call(job, photo, twin)
        return ending or self._end_with_call(job, photo, lost)

    def _end_without_call(self, job: ClaimedJob, photo: Prepared, twin: Twin | None) -> Ending | None:
        """End a job with what was paid for before, or with its source when nothing is on it; None: it takes a call."""
        paid_url = job.output_url
        if (drop := find_drop(job, photo)) is not None:
            held = decide_dropped(past_attempts.count_code(self._tools.engine, job, drop.noted.code))
            if held is not None:
                return self._tools.finisher.apply(job, None, drop.held, held)
            paid_url = None
        if paid_url is not None and (twin is None or twin.state is not JobState.SUCCEEDED):
            return self._paid.collect(job, None, paid_url, photo)
        if twin is not None and twin.output_url is not None:
            ending = self._paid.borrow(job, twin.output_url, photo)
            if ending is not None:
                return ending
        elif twin is not None and twin.state is JobState.RUNNING:
            delay = TWIN_SNOOZE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
            return self._tools.finisher.snooze(job, delay, f"job {twin.job_id} has the same photo")
        elif twin is not None:
            ending = self._tools.finisher.reuse(job, twin, photo)
            metrics.note_reuse(job.lane, ending.state, self._tools.caller.price)
            return ending
        if self._tools.screener.is_bare(job, photo):
            price = self._tools.caller.price
            if job.screen == Screen.SKIP:
                ending = self._tools.finisher.skip(job, photo)
                metrics.note_bare(job.lane, job.screen, price)
                return ending
            if self._tools.screener.note_bare(job):
                metrics.note_bare(job.lane, job.screen, price)
        return None

    def _end_with_call(self, job: ClaimedJob, photo: Prepared, lost: threading.Event) -> Ending:
        with tracing.span("call"):
            call = self._call(job, photo, lost)
        tracing.tell(attempt=call.attempt_id)
        outcome = result_of(call)
        tell_result(outcome)
        if call.answer.answer_class is AnswerClass.SUCCESS and call.answer.output_url is not None:
            self._tools.finisher.note_paid(job, call.attempt_id, outcome, call.answer.output_url)
            metrics.note_call(outcome)
            return self._paid.collect(job, call.attempt_id, call.answer.output_url, photo)
        ending = self._settle_failure(job, call, outcome)
        # Not before it is written down: a call that is not is counted by who rescues the job.
        metrics.note_call(outcome)
        return ending

    def _call(self, job: ClaimedJob, photo: Prepared, lost: threading.Event) -> Call:
        stopping = self._tools.stopping
        request = request_for(job, photo, takes_bytes=self._tools.takes_bytes)
        return self._tools.caller.call(job, request, lambda: stopping.is_set() or lost.is_set())

    def _settle_failure(self, job: ClaimedJob, call: Call, outcome: AttemptResult) -> Ending:
        tools = self._tools
        decision = decide(
            call.answer.kind,
            attempts=job.attempts,
            same_code=past_attempts.count_code(tools.engine, job, outcome.code),
            rules=tools.rules,
            ban_seconds=call.answer.ban_seconds,
        )
        return tools.finisher.apply(job, call.attempt_id, outcome, decision)

    def _refuse(self, job: ClaimedJob, error: SourceError) -> Ending:
        outcome = AttemptResult(AnswerClass.SOURCE, error.code, str(error))
        decision = PHOTO_REFUSED
        if isinstance(error, SourceUnreachable):
            decision = decide_unreachable(
                attempts=job.attempts,
                failed=past_attempts.count_failed_fetches(self._tools.engine, job),
                is_final=error.is_final,
                rules=self._tools.rules,
            )
        return self._tools.finisher.apply(job, None, outcome, decision)
