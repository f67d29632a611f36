"""Sending photos round again: those of a batch that ended alike, or one."""

from sqlalchemy import Connection

from core.errors import NotFound, Refused
from core.figures import counted
from core.settings import Settings
from core.states import NOTHING_TO_REMOVE, JobState, called
from db import audit, batches, circuits, listings, requeues


def state_of(code: str | None) -> JobState:
    """Return where jobs stand that are asked for by a code alone."""
    return JobState.SUCCEEDED if code == NOTHING_TO_REMOVE else JobState.DEAD


def describe(count: int, state: JobState, code: str | None) -> str:
    """Return which photos are meant, in words."""
    if state is JobState.SUCCEEDED:
        # Of these only what was not called for goes round again.
        return counted(count, "skipped photo")
    return counted(count, f"{called(state)} photo") + (f" with code {code}" if code else "")


def requeue(
    connection: Connection,
    actor: str,
    batch_id: int,
    settings: Settings,
    *,
    state: JobState = JobState.DEAD,
    code: str | None = None,
    message: str | None = None,
) -> int:
    """Send a batch's photos of one state round again; return how many. A refused account is asked again at once.

    Of many only the first go here; `db.requeues.go_on` sends the rest.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Whose photos.
        settings: Whose account.
        state: `dead`, `held`, `cancelled`, or `succeeded` for those that were not called for.
        code: Only those that ended with this code, such as `801`; None for all.
        message: Only those that ended with this message, whatever its numbers; None for all.

    Raises:
        NotFound: There is no such batch.
    """
    batches.require(connection, batch_id)
    count = requeues.requeue(connection, batch_id, code, message=message, state=state)
    if count:
        which = describe(count, state, code)
        audit.note(connection, actor, "requeue", f"batch {batch_id}", f"{which}: {message}" if message else which)
        circuits.probe_now(connection, settings.account)
    return count


def requeue_one(connection: Connection, actor: str, job_id: int, settings: Settings) -> None:
    """Send one dead, held or cancelled photo round again; a refused account is asked again at once.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        job_id: Which.
        settings: Whose account.

    Raises:
        NotFound: There is no such job.
        Refused: It has not ended so.
    """
    if not requeues.requeue_one(connection, job_id):
        found = listings.find_job(connection, job_id)
        if found is None:
            raise NotFound(f"There is no job {job_id}.")
        raise Refused(f"Job {job_id} is {called(found.state)}; only failed, held and cancelled photos can be retried.")
    audit.note(connection, actor, "requeue", f"job {job_id}")
    circuits.probe_now(connection, settings.account)
