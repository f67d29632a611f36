"""The last transaction of an execution: attempt, artifact and job state together, or none of them."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy import Connection, Engine

from core.errors import StoreUnavailable
from core.states import AnswerClass, JobState
from db import artifacts, attempts, circuits, jobs
from db.artifacts import ArtifactStore
from db.attempts import Outcome
from db.jobs import ClaimedJob, Twin
from db.session import transact
from worker.collect import Output
from worker.ending import Ending
from worker.policy import Decision, Move

log = logging.getLogger(__name__)

FINISH_PATIENCE_SECONDS = 120.0


class Finisher:
    """Writes how executions ended; waits out a restart of PostgreSQL, since the money is spent by then.

    Args:
        engine: The database.
        store: Where artifacts go.
        account: The API account, whose circuit may open or close.
        worker: The name of this process in attempts.
        out_of_time: Ends the patience, when the process has to go.
    """

    def __init__(
        self, engine: Engine, store: ArtifactStore, *, account: str, worker: str, out_of_time: threading.Event
    ) -> None:
        self._engine = engine
        self._store = store
        self._account = account
        self._worker = worker
        self._out_of_time = out_of_time

    def note_paid(self, job: ClaimedJob, attempt_id: int, outcome: Outcome, output_url: str) -> None:
        """Write down a paid answer before its output is fetched, so that no crash from here on pays again.

        Raises:
            LeaseLost: Another worker owns the job.
        """

        def work(connection: Connection) -> None:
            jobs.note_paid(connection, job, output_url)
            attempts.settle(connection, attempt_id, outcome)
            circuits.close(connection, self._account)

        self._write(work)

    def succeed(self, job: ClaimedJob, attempt_id: int | None, output: Output) -> Ending:
        """Keep the output and end the job.

        Args:
            job: Whose.
            attempt_id: The call it came from; None when an earlier execution made it.
            output: The verified bytes.

        Raises:
            LeaseLost: Another worker owns the job.
            StoreUnavailable: The store takes nothing; the link of the output stays with the job.
        """

        def work(connection: Connection) -> None:
            sha256 = artifacts.keep(
                connection,
                self._store,
                output.data,
                image_format=output.format,
                width=output.width,
                height=output.height,
            )
            if jobs.has_artifact(connection, job.id, sha256):
                return
            jobs.succeed(connection, job, artifact_sha256=sha256, changed_ratio=output.changed_ratio)
            if attempt_id is not None:
                attempts.note_received(connection, attempt_id, output.bytes_received)

        try:
            self._write(work)
        except OSError as error:
            raise StoreUnavailable(f"The artifact store takes nothing ({error}); the paid output is kept") from error
        return Ending(JobState.SUCCEEDED, "200")

    def reuse(self, job: ClaimedJob, twin: Twin) -> Ending:
        """End a job with what the same photo came to before."""
        if twin.artifact_sha256 is not None:
            artifact, ending = twin.artifact_sha256, Ending(JobState.SUCCEEDED, "reused")
            self._write(
                lambda connection: jobs.succeed(connection, job, artifact_sha256=artifact, reused_from=twin.job_id)
            )
        else:
            why = f"{twin.message or ''} (the same photo as job {twin.job_id}, which is {twin.state}; not called again)"
            ending = Ending(twin.state, twin.code or "", why.strip())
            self._write(
                lambda connection: jobs.stop(
                    connection, job, state=ending.state, code=ending.code, message=ending.message, spent=0
                )
            )
        self._write(lambda connection: circuits.probe_was_spared(connection, self._account, job.id))
        return ending

    def apply(
        self,
        job: ClaimedJob,
        attempt_id: int | None,
        outcome: Outcome,
        decision: Decision,
        *,
        forget_output: bool = False,
    ) -> Ending:
        """Write down an execution that did not succeed, and do with the job what the policy decided.

        Args:
            job: Whose.
            attempt_id: The open attempt, or None when nothing was called this time.
            outcome: How it ended.
            decision: Where the job goes.
            forget_output: Whether the link of a paid output leads nowhere.
        """

        def work(connection: Connection) -> None:
            if attempt_id is None:
                attempts.note_without_call(connection, job, outcome, worker=self._worker)
                circuits.probe_was_spared(connection, self._account, job.id)
            else:
                attempts.settle(connection, attempt_id, outcome)
            if is_from_a_good_account(outcome):
                circuits.close(connection, self._account)
            if decision.opens_circuit:
                circuits.trip(connection, self._account, reason="account", code=outcome.code, message=outcome.message)
            move(connection)

        def move(connection: Connection) -> None:
            spent = int(decision.counted)
            if decision.move in {Move.DEAD, Move.HELD}:
                jobs.stop(connection, job, state=decision.move, code=outcome.code, message=outcome.message, spent=spent)
                return
            jobs.give_back(
                connection,
                job,
                delay_seconds=decision.delay_seconds,
                spent=spent,
                code=outcome.code,
                message=outcome.message,
                send_bytes=decision.send_bytes,
                forget_output=forget_output,
            )

        self._write(work)
        state = decision.move if decision.move in {Move.DEAD, Move.HELD} else JobState.PENDING
        return Ending(state, outcome.code, outcome.message)

    def snooze(self, job: ClaimedJob, delay_seconds: float, why: str) -> Ending:
        """Make the job due again without spending an attempt."""
        self._write(lambda connection: jobs.give_back(connection, job, delay_seconds=delay_seconds, spent=0))
        return Ending(JobState.PENDING, "snoozed", why)

    def _write(self, work: Callable[[Connection], None]) -> None:
        transact(self._engine, work, patience_seconds=FINISH_PATIENCE_SECONDS, give_up=self._out_of_time.is_set)


def is_from_a_good_account(outcome: Outcome) -> bool:
    """Whether an answer shows that the account may call: the API itself spoke, and not about the account."""
    speaks = outcome.answer_class in {AnswerClass.SOURCE, AnswerClass.PERMANENT, AnswerClass.PROVIDER_FAULT}
    return speaks and outcome.http_status is not None and outcome.code.isdecimal()
