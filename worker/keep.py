"""Outputs are kept and end their jobs: attempt, artifact and job state in one transaction, or none of them."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine

from core.errors import StoreUnavailable
from core.states import NOTHING_TO_REMOVE, JobState
from db import artifacts, attempts, jobs, success
from db.artifacts import artifact_key
from db.jobs import Changed, ClaimedJob
from db.session import transact
from db.store import ArtifactStore
from db.success import Clean
from db.sweeping import upload
from db.twins import Made, Twin
from worker.execution import Ending
from worker.output import Doubt, Output, bare_copy, retold
from worker.prepare import Prepared
from worker.writes import Writes

FINISH_PATIENCE_SECONDS = 120.0

Result = TypeVar("Result")


class OutputKeeper:
    """Ends jobs with outputs; waits out a restart of PostgreSQL, since the money is spent by then.

    Args:
        engine: The database.
        store: Where artifacts go.
        paid: Connections to it for what is paid for, on which nothing else waits.
        writes: Writes what goes right with what others do.
        out_of_time: Ends the patience, when the process has to go.
    """

    def __init__(
        self, engine: Engine, store: ArtifactStore, *, paid: Engine, writes: Writes, out_of_time: threading.Event
    ) -> None:
        self._engine = engine
        self._paid = paid
        self._writes = writes
        self._store = store
        self._out_of_time = out_of_time

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
                    connection, job, artifact_sha256=sha256, changed=_changed_of(output), message=output.loss
                ),
                keep_raw=False,
            )
        return Ending(JobState.SUCCEEDED, "200")

    def _succeed_with_others(self, job: ClaimedJob, attempt_id: int | None, output: Output) -> bool:
        # An original ends with its redo, and comes before it.
        if attempt_id is None or job.redo_of is not None or output.losses:
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

    def skip(self, job: ClaimedJob, photo: Prepared) -> Ending:
        """End a job with its source as its output, without a call.

        Raises:
            LeaseLost: Another worker owns the job.
            StoreUnavailable: The store takes nothing.
        """
        data, kind = photo.source.data, photo.fitted.photo
        output = Output(data, kind.format, kind.width, kind.height, 0.0, len(data))
        if job.strip_metadata:
            output = bare_copy(data, photo.fitted)
        self._keep(
            job,
            None,
            output,
            lambda connection, sha256: success.skip(connection, job, artifact_sha256=sha256),
            keep_raw=False,
        )
        return Ending(JobState.SUCCEEDED, NOTHING_TO_REMOVE)

    def reuse_other(self, job: ClaimedJob, twin: Twin, made: Made, photo: Prepared, ending: Ending) -> None:
        """End a job with the output of the same photo that tells more or less beside its picture than it is to.

        Args:
            job: Whose.
            twin: What the same photo came to before.
            made: How that output was made.
            photo: The photo.
            ending: What it comes to.

        Raises:
            LeaseLost: Another worker owns the job.
            StoreUnavailable: The store takes nothing, or gives nothing.
        """
        assert twin.artifact_sha256 is not None
        with _telling_of_a_full_store():
            data = artifacts.fetch(self._engine, twin.artifact_sha256)
        output = retold(data, made, photo.source.data, is_bare=job.strip_metadata)
        self._keep(
            job,
            None,
            output,
            lambda connection, sha256: self.take_over(connection, job, twin, ending, sha256, output.loss),
            keep_raw=False,
        )

    @staticmethod
    def take_over(
        connection: Connection, job: ClaimedJob, twin: Twin, ending: Ending, sha256: str | None, loss: str | None = None
    ) -> None:
        """Write what a job comes to for another's sake.

        Args:
            connection: An open transaction.
            job: Whose.
            twin: The other.
            ending: What it comes to.
            sha256: Its output, if there is one.
            loss: What that could not keep.

        Raises:
            LeaseLost: Another worker owns the job.
        """
        if ending.state == JobState.SUCCEEDED and sha256 is not None:
            success.succeed(connection, job, artifact_sha256=sha256, reused_from=twin.job_id, message=loss)
            return
        message = f"{ending.message or ''} {loss or ''}".strip()
        jobs.stop(
            connection,
            job,
            state=ending.state,
            code=ending.code,
            message=message,
            spent=0,
            artifact_sha256=sha256,
        )

    def hold(self, job: ClaimedJob, attempt_id: int | None, output: Output, doubt: Doubt) -> Ending:
        """Keep the output and let a person decide about it.

        Args:
            job: Whose.
            attempt_id: The call it came from; None when an earlier execution made it.
            output: The bytes, which look wrong.
            doubt: What looks wrong, and where.

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
                code=doubt.code,
                message=f"{doubt.message} {output.loss or ''}".rstrip(),
                proof=doubt.places,
                spent=1,
            ),
            keep_raw=True,
        )
        return Ending(JobState.HELD, doubt.code, doubt.message)

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
            if success.has_artifact(connection, job.id, sha256):
                return
            end(connection, sha256)
            if attempt_id is not None:
                attempts.note_received(connection, attempt_id, output.bytes_received, keep_raw=keep_raw)

        with _telling_of_a_full_store():
            uploaded = upload(self._write, self._store, key, output.data)
        self._write(work, self._paid)

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
