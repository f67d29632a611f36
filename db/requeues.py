"""Sending jobs round again: those that died, or wait for a person."""

from sqlalchemy import Connection, text

from db import batches

_AGAIN = (
    "state = 'pending', attempts = 0, requeues = requeues + 1, artifact_sha256 = NULL, finished_at = NULL, "
    # The clock's time, under a lock on the batch: it tells whether a cancel came before or after.
    "available_at = clock_timestamp(), requeued_at = clock_timestamp()"
)


def requeue(
    connection: Connection, batch_id: int, code: str | None, *, message: str | None = None, held: bool = False
) -> int:
    """Send a batch's dead jobs round again with their attempts reset. Return how many.

    An output that is paid for and was not fetched keeps its link.

    Args:
        connection: An open transaction.
        batch_id: Whose jobs.
        code: Only those that died with this code, such as `801`; None for all.
        message: Only those that ended with this message, whatever its numbers; None for all.
        held: Those that wait for a person, instead of the dead.
    """
    # A million rows take longer than other statements may.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    batches.lock(connection, batch_id)
    statement = text(
        f"UPDATE jobs SET {_AGAIN} "  # noqa: S608
        "WHERE batch_id = :id AND state = :state AND (CAST(:code AS text) IS NULL OR code = :code) "
        f"AND (CAST(:message AS text) IS NULL OR {shape_of('message')} = {shape_of(':message')})"
    )
    values = {"id": batch_id, "code": code, "message": message, "state": "held" if held else "dead"}
    count = connection.execute(statement, values).rowcount
    if count:
        batches.reopen(connection, batch_id)
    return count


def requeue_one(connection: Connection, job_id: int) -> bool:
    """Send one dead or held job round again with its attempts reset. Return whether it was either."""
    statement = text("SELECT batch_id FROM jobs WHERE id = :id")
    batch_id = connection.execute(statement, {"id": job_id}).scalar_one_or_none()
    if batch_id is None:
        return False
    # The batch before the job, as everybody who locks both does.
    batches.lock(connection, batch_id)
    statement = text(f"UPDATE jobs SET {_AGAIN} WHERE id = :id AND state IN ('dead', 'held')")  # noqa: S608
    if connection.execute(statement, {"id": job_id}).rowcount == 0:
        return False
    batches.reopen(connection, batch_id)
    return True


def shape_of(message: str) -> str:
    """Return, as SQL, a message but for its numbers: what jobs have in common that ended alike."""
    return f"regexp_replace(left(coalesce(CAST({message} AS text), ''), 1000), '[0-9]+', '#', 'g')"
