"""Cancelling batches. A cancel is a fact with a time: what it found never runs, unless it is asked for again later.

The batch says when it was cancelled last, each job when it was asked for last, so one statement cancels a million jobs.
Their rows follow bit by bit, also when the batch was reopened meanwhile because some of them go round again.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from db import tallies
from db.batches import ENDED
from db.live import queued_of
from db.plans import AT_PLACES, PLACE, by_key, in_index_order, row
from db.statements import text

AT_ONCE = 1_000
"""Rows that are written in one transaction: so few that what else the dispatcher does goes on between."""

CALLED_OFF = "(coalesce(j.requeued_at, j.created_at) <= coalesce(b.cancelled_at, '-infinity'))"
"""As SQL: whether a job `j` was last asked for before its batch `b` was cancelled.

Both times are the clock's (not the transaction's) and are read under a lock on the batch, so that they are in the order
in which it happened.
"""

_STOPPED = ("pending",)
"""States of what a cancel ends, of what is queued, too. What is held waits for a person's word, and may be paid for."""

CANCELLED = f"(j.state = 'cancelled' OR (j.state NOT IN ('succeeded', 'dead', 'held') AND {CALLED_OFF}))"
"""As SQL: whether a job `j` of batch `b` was cancelled, also when its row does not say so yet."""

WAITING = (
    "j.batch_id = b.id AND j.state = 'pending' "
    # What was asked for after the cancel is due after it: with this the index passes over a million rows that were not.
    "AND j.available_at > CASE WHEN b.is_clearing THEN b.cancelled_at ELSE '-infinity' END "
    f"AND NOT {CALLED_OFF}"
)
"""As SQL: whether a job `j` is one of those of batch `b` that wait to be run, now or later."""


def states_in_order(states: Collection[str], condition: str) -> str:
    """Return, as SQL, the next jobs `j` of a batch `b` in some states, `:most` of each, after the id `:after_id`.

    State by state, in the order of the one index over them: whatever the planner believes, it reads no others.
    """
    order = in_index_order("batch_id", "state", start=":after_id", values=("b.id", "of_state"))
    return (
        f"SELECT each.id FROM unnest(CAST(ARRAY{list(states)} AS text[])) AS of_state CROSS JOIN LATERAL "  # noqa: S608
        f"(SELECT j.id FROM jobs AS j WHERE {condition} AND {order} LIMIT :most) AS each"
    )


def cancel(connection: Connection, batch_id: int) -> int | None:
    """End a batch; jobs in a call finish, held ones stay, all others are cancelled.

    From the commit on nothing more is called. Of many jobs only the first are cancelled here, so that it comes soon;
    `cancel_stragglers` goes on.

    Returns:
        How many are not called any more; None when the batch had ended before.
    """
    # Whoever adds jobs, or sends some round again, holds the batch until that is written; only then is it time.
    found = connection.execute(text("SELECT state FROM batches WHERE id = :id FOR UPDATE"), {"id": batch_id})
    if found.scalar_one_or_none() in {None, *ENDED}:
        return None
    statement = text(
        "UPDATE batches SET state = 'cancelled', pause_reason = NULL, finished_at = now(), "
        "cancelled_at = clock_timestamp(), is_clearing = true WHERE id = :id"
    )
    connection.execute(statement, {"id": batch_id})
    connection.execute(text("DELETE FROM requeues WHERE batch_id = :id"), {"id": batch_id})
    counts = tallies.counts(connection, batch_id)
    _cancel_jobs(connection, [batch_id])
    return counts.pending + counts.queued


def cancel_stragglers(connection: Connection) -> int:
    """Cancel the next jobs that a cancel found, also those that came back in that very moment; return how many."""
    by_key(connection)
    batch_ids = list(
        connection.execute(text("SELECT id FROM batches WHERE is_clearing ORDER BY cancelled_at")).scalars()
    )
    count = _cancel_jobs(connection, batch_ids) if batch_ids else 0
    # Not in one transaction with jobs, which are locked after their batches.
    if batch_ids and not count:
        _note_cleared(connection, batch_ids)
    return count


def _cancel_jobs(connection: Connection, batch_ids: list[int]) -> int:
    by_key(connection)
    # What is queued first, as others wait for its place; it is pending, too.
    found = text(
        "SELECT off.id FROM unnest(CAST(:ids AS bigint[])) AS batch CROSS JOIN LATERAL "  # noqa: S608
        "(SELECT * FROM batches WHERE id = batch OFFSET 0) AS b CROSS JOIN LATERAL "
        f"((SELECT j.id FROM {queued_of('b.id')} AS q CROSS JOIN LATERAL ({row('*', 'jobs', 'q.job_id')}) AS j "
        f"WHERE {CALLED_OFF}) UNION ALL ({states_in_order(_STOPPED, CALLED_OFF)} LIMIT :most)) AS off LIMIT :most"
    )
    ids = list(connection.execute(found, {"ids": batch_ids, "most": AT_ONCE, "after_id": 0}).scalars())
    # One that somebody has hold of is looked at again in the next round.
    lock = text(
        f"SELECT {PLACE} FROM jobs AS j WHERE id = ANY(:ids) AND state || '' = ANY(:states) AND "  # noqa: S608
        f"(SELECT {CALLED_OFF} FROM batches AS b WHERE b.id = j.batch_id) ORDER BY j.id FOR UPDATE OF j SKIP LOCKED"
    )
    places = list(connection.execute(lock, {"ids": ids, "states": list(_STOPPED)}).scalars()) if ids else []
    if not places:
        return 0
    statement = text(
        f"UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE {AT_PLACES}"  # noqa: S608
    )
    return connection.execute(statement, {"places": places}).rowcount


def _note_cleared(connection: Connection, batch_ids: list[int]) -> None:
    lock = text("SELECT id FROM batches WHERE id = ANY(:ids) FOR UPDATE SKIP LOCKED")
    locked = list(connection.execute(lock, {"ids": batch_ids}).scalars())
    statement = text(
        "UPDATE batches AS b SET is_clearing = false WHERE b.id = ANY(:ids) AND (SELECT count(*) FROM "  # noqa: S608
        f"({states_in_order((*_STOPPED, 'running'), CALLED_OFF)} LIMIT 1) AS off) = 0"
    )
    connection.execute(statement, {"ids": locked, "after_id": 0, "most": 1})
