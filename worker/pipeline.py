"""One job from claim to finish: claim → fetch → fit → permit → call → verify → put back → finish.

Short transactions and nothing open during HTTP. The attempt's row is written before the call and settled after
it, so a crash leaves a trace that says "maybe billed".
"""

import random
import threading
import time

import structlog
from sqlalchemy import Connection

from core import counted, logs, tracing
from core.decision import Decision, Move
from core.errors import (
    DatabaseDown,
    LeaseLost,
    OutputError,
    OutputRefused,
    SourceError,
    SourceRefused,
    SourceUnreachable,
    StoreUnavailable,
)
from core.states import AnswerClass, Fit, JobState, Send
from db import attempts, jobs, twins, uploads
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from db.session import transact
from db.twins import Twin
from photos.memory import MEMORY, NoRoom
from photos.source import MAX_SOURCE_BYTES, Source, Take, read_source
from removal.answers import Kind
from removal.contract import RemovalRequest
from removal.limiter import LimiterUnavailable
from worker import metrics
from worker.call import Call, NotCalled
from worker.ending import GONE, Ending
from worker.equipment import Equipment
from worker.judging import doubt_about
from worker.outcomes import find_drop, outcome_of, tell
from worker.output import Output, collect
from worker.policy import decide, decide_download, decide_output, decide_unreachable
from worker.prepare import Prepared, Taking, prepare
from worker.sending import url_to_send

log = structlog.stdlib.get_logger(__name__)

CLAIM_PATIENCE_SECONDS = 30.0
"""Longer than PostgreSQL takes to start anew: a message whose job is not claimed is used up all the same."""

TWIN_SNOOZE_SECONDS = 2.0
NOT_CALLED_SNOOZE_SECONDS = 1.0
OUTAGE_SNOOZE_SECONDS = 2.0


class Pipeline:
    """Runs jobs, one at a time per thread.

    Args:
        tools: What it works with.
    """

    def __init__(self, tools: Equipment) -> None:
        self._tools = tools
        self._taking = Taking(tools.provider, tools.bounds, tools.takes_bytes, tools.mask_order, tools.mask_origin)
        self._claiming: set[int] = set()

    def list_claiming(self) -> list[int]:
        """Return the jobs that are being claimed at this moment."""
        return list(self._claiming)

    def run(self, job_id: int) -> Ending:
        """Run one job as far as it goes now and return how that ended; never raises for what a job can bring."""
        tools = self._tools
        self._claiming.add(job_id)
        try:
            job = transact(
                tools.engine,
                lambda connection: jobs.claim(
                    connection, job_id, worker=tools.worker, lease_seconds=tools.lease_seconds
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
                waited_seconds=job.age_seconds,
                is_first=not (job.attempts or job.snoozes or job.requeues),
                requeues=job.requeues,
                lane=job.lane,
                worker=tools.worker,
            ),
            tools.leases.hold(job.lease_token) as lost,
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
                delay = 0.0 if tools.stopping.is_set() else NOT_CALLED_SNOOZE_SECONDS
                return tools.finisher.snooze(job, delay, str(error))
            except (LimiterUnavailable, StoreUnavailable) as error:
                log.error("job %s waits: %s", job.id, error)  # noqa: TRY400 - the cause is in the message
                code = "store_unavailable" if isinstance(error, StoreUnavailable) else "limiter_unavailable"
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
        photo, twin = self._take_in(job, take)
        paid_url = job.output_url
        if (drop := find_drop(job, photo)) is not None:
            if self._count_code(job, drop.noted.code) > 1:
                return self._tools.finisher.apply(job, None, drop.held, Decision(Move.HELD, counted=False))
            paid_url = None
        if paid_url is not None and (twin is None or twin.state is not JobState.SUCCEEDED):
            return self._collect(job, None, paid_url, photo)
        if twin is not None and twin.output_url is not None:
            ending = self._borrow(job, twin.output_url, photo)
            if ending is not None:
                return ending
        elif twin is not None and twin.state is JobState.RUNNING:
            delay = TWIN_SNOOZE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
            return self._tools.finisher.snooze(job, delay, f"job {twin.job_id} has the same photo")
        elif twin is not None:
            ending = self._tools.finisher.reuse(job, twin)
            metrics.note_reuse(job.lane, ending.state, self._tools.caller.price)
            return ending
        with tracing.span("call"):
            call = self._call(job, photo, lost)
        tracing.tell(attempt=call.attempt_id)
        outcome = outcome_of(call)
        tell(outcome)
        if call.answer.answer_class is AnswerClass.SUCCESS and call.answer.output_url is not None:
            self._tools.finisher.note_paid(job, call.attempt_id, outcome, call.answer.output_url)
            metrics.note_call(outcome)
            return self._collect(job, call.attempt_id, call.answer.output_url, photo)
        ending = self._settle_failure(job, call, outcome)
        # Not before it is written down: a call that is not is counted by who rescues the job.
        metrics.note_call(outcome)
        return ending

    def _take_in(self, job: ClaimedJob, take: Take) -> tuple[Prepared, Twin | None]:
        most = None if job.fit == Fit.STRICT else MAX_SOURCE_BYTES
        with tracing.span("fetch"):
            source = self._read_upload(job) if job.source_uri.startswith(uploads.SCHEME) else None
            if source is None:
                source = read_source(job.source_uri, self._tools.fetcher, max_bytes=most, take=take)
        with tracing.span("fit"):
            photo = prepare(job, source, self._taking, is_plain=self._was_unreadable(job))
        found = photo.fitted.photo

        def work(connection: Connection) -> Twin | None:
            twin = twins.note_source(
                connection,
                job,
                sha256=photo.sha256,
                content_key=photo.content_key,
                size_bytes=len(source.data),
                width=found.width,
                height=found.height,
            )
            if twin is None:
                twin = twins.find_own_output(connection, job, photo.sha256, self._tools.provider)
            if (drop := find_drop(job, photo)) is not None:
                attempts.note_without_call(connection, job, drop.noted, worker=self._tools.worker)
            return twin

        # Identical photos wait for each other here; a whole catalogue may share one.
        return photo, transact(self._tools.engine, work, patience_seconds=CLAIM_PATIENCE_SECONDS, repeats_busy=True)

    def _read_upload(self, job: ClaimedJob) -> Source:
        data = transact(self._tools.engine, lambda connection: uploads.find(connection, job.source_uri))
        if data is None:
            raise SourceRefused("upload_missing", "The photo that was uploaded is gone; hand it in again.")
        return Source(data, None)

    def _was_unreadable(self, job: ClaimedJob) -> bool:
        """Whether the API could not read the bytes that were sent for this job before."""
        if not job.attempts or job.send == Send.URL or not self._tools.takes_bytes:
            return False
        ended = transact(
            self._tools.engine, lambda connection: attempts.list_codes(connection, job.id), patience_seconds=5
        )
        kinds = (self._tools.kind_of(code, message) for code, message in ended)
        return any(kind is not None and kind.is_unreadable for kind in kinds)

    def _call(self, job: ClaimedJob, photo: Prepared, lost: threading.Event) -> Call:
        url = url_to_send(job, photo, takes_bytes=self._tools.takes_bytes)
        request = RemovalRequest(
            image_url=url,
            image_bytes=None if url else photo.fitted.sent,
            subject_elements=job.subject_elements,
            elements=job.elements,
            mask=photo.mask_text,
        )
        stopping = self._tools.stopping
        return self._tools.caller.call(job, request, lambda: stopping.is_set() or lost.is_set())

    def _borrow(self, job: ClaimedJob, url: str, photo: Prepared) -> Ending | None:
        """Collect the output that a twin has paid for and not fetched yet; None when its link leads nowhere."""
        try:
            return self._fetch_paid(job, None, url, photo)
        except OutputRefused as error:
            return self._refuse_output(job, error)
        except OutputError as error:
            log.info("job %s: the output its twin paid for cannot be had: %s", job.id, error)
            return None

    def _collect(self, job: ClaimedJob, attempt_id: int | None, url: str, photo: Prepared) -> Ending:
        try:
            return self._fetch_paid(job, attempt_id, url, photo)
        except OutputError as error:
            return self._refuse_output(job, error)

    def _fetch_paid(self, job: ClaimedJob, attempt_id: int | None, url: str, photo: Prepared) -> Ending:
        """End the job with an output that is paid for, or let it wait while the output's host does not answer.

        Raises:
            OutputError: It cannot be used, however often it is fetched.
        """
        try:
            with tracing.span("collect"):
                output = collect(url, photo, self._tools.fetcher)
        except SourceUnreachable as error:
            # The money is spent: the link is kept and only the download is tried again.
            later = decide_download(failed=self._count_failed_fetches(job), rules=self._tools.rules)
            failed = AttemptResult(
                AnswerClass.PROVIDER_FAULT,
                f"output_{error.code}",
                f"The paid output could not be fetched: {error} Its link is kept: `requeue` costs no call.",
                counted=later.counted,
            )
            return self._tools.finisher.apply(job, None, failed, later)
        return self._keep(job, attempt_id, output)

    def _refuse_output(self, job: ClaimedJob, error: OutputError) -> Ending:
        again = decide_output(
            is_refused=isinstance(error, OutputRefused),
            attempts=job.attempts,
            same_code=self._count_code(job, error.code),
            rules=self._tools.rules,
        )
        failed = AttemptResult(AnswerClass.PROVIDER_FAULT, error.code, str(error))
        is_lost = not isinstance(error, OutputRefused)
        return self._tools.finisher.apply(job, None, failed, again, forget_output=is_lost)

    def _keep(self, job: ClaimedJob, attempt_id: int | None, output: Output) -> Ending:
        tools = self._tools
        doubt = doubt_about(output, unchanged_below=tools.hold_unchanged_below, changed_above=tools.hold_changed_above)
        with tracing.span("store"):
            if doubt is not None:
                ending = tools.finisher.hold(job, attempt_id, output, code=doubt.code, message=doubt.message)
            else:
                ending = tools.finisher.succeed(job, attempt_id, output)
        metrics.ARTIFACT_BYTES.inc(len(output.data))
        return ending

    def _count_code(self, job: ClaimedJob, code: str) -> int:
        return transact(
            self._tools.engine, lambda connection: attempts.count_code(connection, job.id, code), patience_seconds=5
        )

    def _count_failed_fetches(self, job: ClaimedJob) -> int:
        return transact(
            self._tools.engine, lambda connection: attempts.count_without_call(connection, job.id), patience_seconds=5
        )

    def _settle_failure(self, job: ClaimedJob, call: Call, outcome: AttemptResult) -> Ending:
        tools = self._tools
        decision = decide(
            call.answer.kind,
            attempts=job.attempts,
            same_code=self._count_code(job, outcome.code),
            rules=tools.rules,
            ban_seconds=call.answer.ban_seconds,
        )
        return tools.finisher.apply(job, call.attempt_id, outcome, decision)

    def _refuse(self, job: ClaimedJob, error: SourceError) -> Ending:
        outcome = AttemptResult(AnswerClass.SOURCE, error.code, str(error))
        decision = Decision(Move.DEAD)
        if isinstance(error, SourceUnreachable):
            decision = decide_unreachable(
                attempts=job.attempts,
                failed=self._count_failed_fetches(job),
                is_final=error.is_final,
                rules=self._tools.rules,
            )
        return self._tools.finisher.apply(job, None, outcome, decision)
