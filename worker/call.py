"""One paid call: permit, attempt row, call. Nothing is sent without both. And how it is written down."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from sqlalchemy import Connection, Engine

from core import logs, tracing
from core.errors import DatabaseBusy, DatabaseDown
from core.states import AnswerClass, Lane
from db import attempts, jobs, restores
from db.attempts import AttemptResult
from db.budgets import FREE, Tariff
from db.jobs import ClaimedJob
from db.session import transact
from removal.answers import Answer
from removal.client import RemovalClient
from removal.contract import RemovalRequest
from removal.limiter import Limiter, LimiterUnavailable, Outcome, Permit, SlotMoved
from removal.limiter.memos import memo_of
from removal.provider import PreparedCall
from worker.policy import UNCOUNTED
from worker.writes import Opened, Writes

log = logging.getLogger(__name__)

OPEN_AHEAD_SECONDS = 0.12
MOST_AHEAD_SECONDS = OPEN_AHEAD_SECONDS + 0.1
"""What was asked longer than this before a call may not hold any more."""
ATTEMPT_PATIENCE_SECONDS = 30.0

UNSENT = AttemptResult(
    AnswerClass.UNKNOWN,
    "not_sent",
    "Nothing was sent: the limiter's Redis did not answer.",
    counted=False,
    was_sent=False,
)

_OUTCOMES = {
    AnswerClass.SUCCESS: Outcome.OK,
    AnswerClass.SOURCE: Outcome.OK,
    AnswerClass.PERMANENT: Outcome.OK,
    AnswerClass.THROTTLED: Outcome.THROTTLED,
}


class NotCalled(Exception):
    """Nothing was sent: the worker stops, or the job may not be called any more."""


class NotKnown(NotCalled):
    """Nothing was sent; whether the call was opened is not known, and `Caller.forget` sees to it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made, or could not connect; its attempt row is still open."""

    attempt_id: int
    answer: Answer
    permit_wait_seconds: float
    was_sent: bool


class Caller:
    """Makes the calls of one process.

    Args:
        engine: Where attempts are written.
        writes: Writes them with those of others.
        limiter: The fleet's token bucket.
        client: The removal API.
        account: Whose circuit decides whether calls may be made.
        tariff: What a call costs and how many there may be in a day.
        worker: The name of this process in attempts.
    """

    def __init__(
        self,
        engine: Engine,
        writes: Writes,
        limiter: Limiter,
        client: RemovalClient,
        *,
        account: str,
        worker: str,
        tariff: Tariff = FREE,
    ) -> None:
        self._engine = engine
        self._writes = writes
        self._limiter = limiter
        self._client = client
        self._account = account
        self._worker = worker
        self._tariff = tariff
        self._home = ""

    @property
    def price(self) -> Decimal:
        """What one call costs; 0 when nobody said."""
        return self._tariff.price

    def call(self, job: ClaimedJob, request: RemovalRequest, cancelled: Callable[[], bool]) -> Call:
        """Wait for a permit, write the attempt, send, and return the answer.

        Args:
            job: Whose call it is.
            request: What is sent.
            cancelled: True once the call must not be made any more.

        Raises:
            NotCalled: The call was given up before anything was sent.
            LimiterUnavailable: Redis does not answer; nothing was sent.
            DatabaseDown: It is not known whether the attempt is written, for so long that it is left to the lease;
                nothing was sent.
        """
        prepared = self._client.prepare(request)
        began = time.monotonic()
        permit = self._limiter.reserve(Lane(job.lane))
        while True:
            try:
                return self._call_in_slot(job, prepared, permit, cancelled, began)
            except SlotMoved as error:
                log.info("the call is prepared anew: %s", error)

    def _call_in_slot(
        self, job: ClaimedJob, prepared: PreparedCall, permit: Permit, cancelled: Callable[[], bool], began: float
    ) -> Call:
        """Do all that comes before a call shortly before its slot, and send it there.

        Raises:
            SlotMoved: Too much time went by before the slot came. Nothing was sent, and nothing is left of the attempt:
                all that was asked (batch, budget, circuit, lease, connection) has to be asked again.
        """
        opened: Opened | None = None
        sent_at: float | None = None

        def gate() -> None:
            nonlocal sent_at
            assert opened is not None
            self._limiter.wait_until_due(
                permit,
                cancelled=cancelled,
                latest=opened.asked_at + MOST_AHEAD_SECONDS,
                memo=memo_of(opened.attempt_id, job.id, self._home),
            )
            if permit.settled:
                _give_up("the worker stops, or lost its lease")
            sent_at = time.monotonic()

        try:
            if self._limiter.sleep_until(permit, ahead_seconds=OPEN_AHEAD_SECONDS, cancelled=cancelled):
                _give_up("the worker stops, or lost its lease")
            failure = self._client.connect()
            opened = self._open(job)
            answer = failure or self._client.send(
                prepared,
                gate,
                lambda: self._limiter.note_sent(permit),
                # Signed with the fleet's time: one machine whose clock is wrong would have the account refused for all.
                signed_at=permit.at_us / 1e6,
            )
        except BaseException as error:
            if sent_at is None:
                is_told = isinstance(error, SlotMoved) or (
                    self._release(permit) and not isinstance(error, LimiterUnavailable)
                )
                if opened is not None:
                    self._withdraw(job, opened) if is_told else self._end_unsent(opened)
            raise
        if sent_at is None:
            # It could not even connect: the slot is free for somebody else.
            self._release(permit)
            return Call(opened.attempt_id, answer, time.monotonic() - began, was_sent=False)
        self._report(permit, answer)
        return Call(opened.attempt_id, answer, sent_at - began, was_sent=True)

    def _open(self, job: ClaimedJob) -> Opened:
        try:
            self._home = self._home or transact(self._engine, restores.home)
            opened = self._writes.open(job) if self._tariff.daily_calls is None else None
            if opened is None:
                opened = self._open_alone(job)
        except DatabaseBusy as error:
            log.info("job %s gives its place to others: %s", job.id, error)
            _give_up("somebody else keeps the batch or the account's day for longer than a call can wait")
        except DatabaseDown as error:
            # Whether the row is there is not known, before who may still be writing it is done with the job; that
            # nothing was sent is.
            self._patiently(lambda connection: jobs.lock(connection, job.id))
            self.forget(job)
            raise NotKnown(str(error)) from error
        logs.bind(attempt=opened.attempt_id)
        return opened

    def _open_alone(self, job: ClaimedJob) -> Opened:
        def work(connection: Connection) -> tuple[int | None, float]:
            attempt_id = attempts.open_call(
                connection, job, worker=self._worker, account=self._account, tariff=self._tariff
            )
            # Before the COMMIT: a process that is frozen in it must not take for new what it asked before.
            return attempt_id, time.monotonic()

        attempt_id, asked_at = transact(self._engine, work)
        if attempt_id is None:
            _give_up("the batch is paused or has no budget left, the circuit is open, or the lease is (nearly) lost")
        return Opened(attempt_id, asked_at)

    def _withdraw(self, job: ClaimedJob, opened: Opened) -> None:
        if not self._writes.withdraw(job, opened):
            self._patiently(lambda connection: attempts.withdraw(connection, opened.attempt_id))

    def forget(self, job: ClaimedJob) -> None:
        """Forget the call that may have been opened under a job's lease and was never sent.

        Asked again once the job is given back: whoever may still be writing it is shut out from then on.
        """
        self._patiently(lambda connection: attempts.withdraw_unsent(connection, job))

    def _patiently(self, work: Callable[[Connection], None]) -> None:
        transact(self._engine, work, patience_seconds=ATTEMPT_PATIENCE_SECONDS, repeats_busy=True)

    def _report(self, permit: Permit, answer: Answer) -> None:
        outcome = _OUTCOMES.get(answer.answer_class, Outcome.FAILED)
        try:
            self._limiter.settle(
                permit, outcome, ban_seconds=answer.ban_seconds, latency_seconds=answer.latency_seconds
            )
        except LimiterUnavailable as error:
            log.warning("the answer could not be told to the limiter: %s", error)

    def _end_unsent(self, opened: Opened) -> None:
        # Its row stays: what Redis may remember as a call, and no database knows, would be taken for one that was lost.
        def work(connection: Connection) -> None:
            attempts.settle(connection, opened.attempt_id, UNSENT)

        self._patiently(work)

    def _release(self, permit: Permit) -> bool:
        """Give a slot back, and return whether Redis was told."""
        try:
            self._limiter.settle(permit, Outcome.UNUSED)
        except LimiterUnavailable as error:
            log.warning("a permit could not be given back: %s", error)
            return False
        return True


def result_of(call: Call) -> AttemptResult:
    """Return how an attempt is written down that made this call."""
    answer = call.answer
    return AttemptResult(
        answer_class=answer.answer_class,
        code=answer.code,
        message=answer.message,
        spend=answer.spend,
        counted=answer.answer_class not in UNCOUNTED,
        was_sent=call.was_sent,
        http_status=answer.http_status,
        request_id=answer.request_id,
        latency_seconds=answer.latency_seconds,
        permit_wait_seconds=call.permit_wait_seconds,
        bytes_sent=answer.bytes_sent,
        raw=answer.raw,
    )


def tell_result(result: AttemptResult) -> None:
    """Say in logs and traces how a call ended."""
    logs.bind(
        answer=result.answer_class.value,
        http_status=result.http_status,
        request_id=result.request_id,
        latency_seconds=result.latency_seconds,
        permit_wait_seconds=round(result.permit_wait_seconds or 0.0, 3),
        spend=result.spend.value,
    )
    tracing.tell(request_id=result.request_id, answer=result.answer_class.value, code=result.code)


def _give_up(why: str) -> NoReturn:
    raise NotCalled(why)
