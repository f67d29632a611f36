"""The last transaction of an execution: attempt, artifact and job state together, or none of them."""

import logging
import threading

from sqlalchemy import Connection, Engine

from core.decision import Decision, Move
from core.states import JobState, called
from db import attempts, jobs, paid, twins
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from db.paid import Paid
from db.store import ArtifactStore
from db.twins import Twin
from worker.circuit import AccountHealth
from worker.execution import Ending
from worker.keep import OutputKeeper
from worker.prepare import Prepared
from worker.writes import Writes

log = logging.getLogger(__name__)


class Finisher(OutputKeeper):
    """Writes how executions ended; waits out a restart of PostgreSQL, since the money is spent by then.

    Args:
        engine: The database.
        store: Where artifacts go.
        paid: Connections to it for what is paid for, on which nothing else waits.
        writes: Writes what goes right with what others do.
        health: The account's circuit.
        worker: The name of this process in attempts.
        out_of_time: Ends the patience, when the process has to go.
    """

    def __init__(
        self,
        engine: Engine,
        store: ArtifactStore,
        *,
        paid: Engine,
        writes: Writes,
        health: AccountHealth,
        worker: str,
        out_of_time: threading.Event,
    ) -> None:
        super().__init__(engine, store, paid=paid, writes=writes, out_of_time=out_of_time)
        self._health = health
        self._worker = worker

    def note_paid(self, job: ClaimedJob, attempt_id: int, outcome: AttemptResult, output_url: str) -> None:
        """Write down a paid answer before its output is fetched, so that no crash from here on pays again.

        Raises:
            LeaseLost: Another worker owns the job.
        """

        answer = Paid(job, attempt_id, outcome, output_url)
        if not self._writes.note_paid(answer):
            self._write(lambda connection: paid.note(connection, answer, self._health.account), self._paid)

    def reuse(self, job: ClaimedJob, twin: Twin, photo: Prepared) -> Ending:
        """End a job with what the same photo came to before."""
        sha256 = twin.artifact_sha256
        if twin.state is JobState.SUCCEEDED and sha256 is not None:
            ending = Ending(JobState.SUCCEEDED, "reused")
        else:
            same = f"(the same photo as job {twin.job_id}, which is {called(twin.state)}; not called again)"
            why = f"{twin.message or ''} {same}"
            ending = Ending(twin.state, twin.code or "", why.strip())
        # What a person is to decide about goes out as it is, too.
        made = self._write(lambda connection: twins.how_made(connection, twin.job_id)) if sha256 is not None else None
        if made is not None and made.strip_metadata != job.strip_metadata:
            self.reuse_other(job, twin, made, photo, ending)
        else:
            loss = twin.message if ending.state == JobState.SUCCEEDED else None
            self._write(lambda connection: self.take_over(connection, job, twin, ending, sha256, loss))
        return ending

    def apply(
        self,
        job: ClaimedJob,
        attempt_id: int | None,
        outcome: AttemptResult,
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

        def work(connection: Connection) -> str:
            in_outage = False
            if attempt_id is None:
                attempts.note_without_call(connection, job, outcome, worker=self._worker)
            else:
                outlook = self._health.look(connection, job, attempt_id, outcome)
                in_outage = outlook.is_outage
                attempts.settle(connection, attempt_id, outcome, others=outlook.others)
                self._health.note_failure(connection, job, attempt_id, outcome, outlook)
            spent = int(decision.counted and not in_outage)
            if decision.move is Move.HELD or (decision.move is Move.DEAD and not in_outage):
                jobs.stop(
                    connection,
                    job,
                    state=decision.move,
                    code=outcome.code,
                    message=outcome.message,
                    spent=spent,
                    forget_output=forget_output,
                )
                return decision.move
            return jobs.give_back(
                connection,
                job,
                delay_seconds=decision.delay_seconds,
                spent=spent,
                code=outcome.code,
                message=outcome.message,
                send_bytes=decision.send_bytes,
                forget_output=forget_output,
            )

        return Ending(self._write(work), outcome.code, outcome.message)

    def snooze(self, job: ClaimedJob, delay_seconds: float, why: str, *, code: str | None = None) -> Ending:
        """Make the job due again without spending an attempt; with a code, its reason can be read while it waits."""
        message = None if code is None else why
        state = self._write(
            lambda connection: jobs.give_back(
                connection, job, delay_seconds=delay_seconds, spent=0, code=code, message=message
            )
        )
        return Ending(state, "snoozed", why)
