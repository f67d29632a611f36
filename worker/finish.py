"""The last transaction of an execution: attempt, artifact and job state together, or none of them."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine

from core.decision import Decision, Move
from core.errors import StoreUnavailable
from core.states import JobState
from db import artifacts, attempts, jobs, paid, success
from db.artifacts import artifact_key
from db.attempts import AttemptResult
from db.jobs import Changed, ClaimedJob
from db.paid import Paid
from db.session import transact
from db.store import ArtifactStore
from db.success import Clean
from db.sweeping import upload
from db.twins import Twin
from worker.circuit import AccountHealth
from worker.execution import Ending
from worker.output import Output
from worker.writes import Writes

log = logging.getLogger(__name__)

FINISH_PATIENCE_SECONDS = 120.0

Result = TypeVar("Result")


class Finisher:
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
        self._engine = engine
        self._paid = paid
        self._writes = writes
        self._store = store
        self._health = health
        self._worker = worker
        self._out_of_time = out_of_time

    def note_paid(self, job: ClaimedJob, attempt_id: int, outcome: AttemptResult, output_url: str) -> None:
        """Write down a paid answer before its output is fetched, so that no crash from here on pays again.

        Raises:
            LeaseLost: Another worker owns the job.
        """

        answer = Paid(job, attempt_id, outcome, output_url)
        if not self._writes.note_paid(answer):
            self._write(lambda connection: paid.note(connection, answer, self._health.account), self._paid)

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

        if not self._succeed_with_others(job, attempt_id, output):
            self._keep(
                job,
                attempt_id,
                output,
                lambda connection, sha256: success.succeed(
                    connection, job, artifact_sha256=sha256, changed=_changed_of(output)
                ),
                keep_raw=False,
            )
        return Ending(JobState.SUCCEEDED, "200")

    def _succeed_with_others(self, job: ClaimedJob, attempt_id: int | None, output: Output) -> bool:
        # An original ends with its redo, and comes before it.
        if attempt_id is None or job.redo_of is not None:
            return False
        sha256 = hashlib.sha256(output.data).hexdigest()
        with _telling_of_a_full_store():
            uri = self._store.upload(artifact_key(sha256, output.format), output.data)
        return self._writes.succeed(
            Clean(
                job,
                attempt_id,
                sha256,
                output.data,
                uri,
                output.format,
                output.width,
                output.height,
                _changed_of(output),
                output.bytes_received,
            )
        )

    def hold(self, job: ClaimedJob, attempt_id: int | None, output: Output, *, code: str, message: str) -> Ending:
        """Keep the output and let a person decide about it.

        Args:
            job: Whose.
            attempt_id: The call it came from; None when an earlier execution made it.
            output: The bytes, which look wrong.
            code: What to find it by.
            message: What looks wrong, what was kept and what to do.

        Raises:
            LeaseLost: Another worker owns the job.
            StoreUnavailable: The store takes nothing; the link of the output stays with the job.
        """
        self._keep(
            job,
            attempt_id,
            output,
            lambda connection, sha256: jobs.hold(
                connection,
                job,
                artifact_sha256=sha256,
                changed=_changed_of(output),
                code=code,
                message=message,
                spent=1,
            ),
            keep_raw=True,
        )
        return Ending(JobState.HELD, code, message)

    def _keep(
        self,
        job: ClaimedJob,
        attempt_id: int | None,
        output: Output,
        end: Callable[[Connection, str], None],
        *,
        keep_raw: bool,
    ) -> None:
        key = artifact_key(hashlib.sha256(output.data).hexdigest(), output.format)

        def work(connection: Connection) -> None:
            sha256 = artifacts.keep(
                connection,
                output.data,
                image_format=output.format,
                width=output.width,
                height=output.height,
                uploaded=uploaded,
            )
            if jobs.has_artifact(connection, job.id, sha256):
                return
            end(connection, sha256)
            if attempt_id is not None:
                attempts.note_received(connection, attempt_id, output.bytes_received, keep_raw=keep_raw)

        with _telling_of_a_full_store():
            uploaded = upload(self._write, self._store, key, output.data)
        self._write(work, self._paid)

    def reuse(self, job: ClaimedJob, twin: Twin) -> Ending:
        """End a job with what the same photo came to before."""
        if twin.state is JobState.SUCCEEDED and twin.artifact_sha256 is not None:
            artifact, ending = twin.artifact_sha256, Ending(JobState.SUCCEEDED, "reused")
            self._write(
                lambda connection: success.succeed(connection, job, artifact_sha256=artifact, reused_from=twin.job_id)
            )
        else:
            why = f"{twin.message or ''} (the same photo as job {twin.job_id}, which is {twin.state}; not called again)"
            ending = Ending(twin.state, twin.code or "", why.strip())
            self._write(
                lambda connection: jobs.stop(
                    connection,
                    job,
                    state=ending.state,
                    code=ending.code,
                    message=ending.message,
                    spent=0,
                    artifact_sha256=twin.artifact_sha256,
                )
            )
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

    def _write(self, work: Callable[[Connection], Result], engine: Engine | None = None) -> Result:
        return transact(
            engine or self._engine,
            work,
            patience_seconds=FINISH_PATIENCE_SECONDS,
            give_up=self._out_of_time.is_set,
            # What is paid for is written, however long others keep its rows.
            repeats_busy=True,
        )


@contextmanager
def _telling_of_a_full_store() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"The artifact store takes nothing ({error}); the paid output is kept") from error


def _changed_of(output: Output) -> Changed:
    return Changed(output.changed_ratio, output.changed_inside, output.changed_outside)
