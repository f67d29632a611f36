"""Queries about batches: making, finding, steering and counting them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, TextClause

from core.errors import NotFound
from core.states import BatchState, Lane
from db import locks, tallies
from db.live import queued_of
from db.locks import Space
from db.plans import ACTIVE, by_key
from db.statements import text


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as it stands."""

    id: int
    name: str
    lane: str
    state: str
    pause_reason: str | None
    options: dict[str, Any]
    max_calls: int | None
    max_cost: Decimal | None
    calls_made: int
    cost_reserved: Decimal
    canary_state: str | None
    canary_overridden_by: str | None
    callback_url: str | None
    created_at: datetime
    finished_at: datetime | None
    made_by: str | None


_COLUMNS = (
    "id, name, lane, state, pause_reason, options, max_calls, max_cost, calls_made, cost_reserved, canary_state, "
    "canary_overridden_by, callback_url, created_at, finished_at, made_by"
)


def create(
    connection: Connection, *, name: str, source_key: str, lane: Lane, options: str, made_by: str | None = None
) -> int:
    """Insert an active batch and return its id; `options` is JSON text, `made_by` who handed it in."""
    statement = text(
        "INSERT INTO batches (name, source_key, lane, state, options) "
        "VALUES (:name, :source_key, :lane, 'active', CAST(:options AS jsonb)) RETURNING id"
    )
    values = {"name": name, "source_key": source_key, "lane": lane.value, "options": options}
    batch_id = int(connection.execute(statement, values).scalar_one())
    if made_by is not None:
        made = text("UPDATE batches SET made_by = :made_by WHERE id = :id")
        connection.execute(made, {"made_by": made_by[:200], "id": batch_id})
    return batch_id


def get(connection: Connection, batch_id: int) -> BatchRow | None:
    """Return one batch, or None."""
    row = connection.execute(text(f"SELECT {_COLUMNS} FROM batches WHERE id = :id"), {"id": batch_id}).one_or_none()  # noqa: S608
    return BatchRow(*row) if row else None


def require(connection: Connection, batch_id: int) -> BatchRow:
    """Return one batch.

    Raises:
        NotFound: There is none with this id.
    """
    found = get(connection, batch_id)
    if found is None:
        last = newest(connection, 1)
        raise NotFound(
            f"There is no batch {batch_id}; {f'the newest is {last[0].id}' if last else 'there is none yet'}."
        )
    return found


def count(connection: Connection) -> int:
    """Return how many batches there are."""
    return int(connection.execute(text("SELECT count(*) FROM batches")).scalar_one())


def list_these(connection: Connection, batch_ids: list[int]) -> list[BatchRow]:
    """Return batches by their ids, the newest first."""
    statement = text(f"SELECT {_COLUMNS} FROM batches WHERE id = ANY(:ids) ORDER BY id DESC")  # noqa: S608
    return [BatchRow(*row) for row in connection.execute(statement, {"ids": batch_ids})]


def newest(
    connection: Connection,
    limit: int,
    *,
    before: int | None = None,
    state: str | None = None,
    with_problems: bool = False,
) -> list[BatchRow]:
    """Return the next page of batches, newest first.

    Args:
        connection: An open transaction.
        limit: How many, at most.
        before: The last id of the page before; None for the first page.
        state: Only those in this state.
        with_problems: Only those with photos that are dead or held.
    """
    conditions = ["true"] + ["id < :before"] * (before is not None) + ["state = :state"] * (state is not None)
    conditions += [
        "coalesce((SELECT sum(n) FROM batch_counts AS c WHERE c.batch_id = batches.id "
        "AND c.what IN ('dead', 'held')), 0) > 0"
    ] * with_problems
    statement = text(
        f"SELECT {_COLUMNS} FROM batches WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT :n"  # noqa: S608
    )
    rows = connection.execute(statement, {"n": limit, "before": before, "state": state})
    return [BatchRow(*row) for row in rows]


def find_unfinished(connection: Connection, source_key: str, *, gets_limits: bool = False) -> int | None:
    """Return the newest batch of the same source and options that has something left to run.

    It is locked against its end and against a second intake, and calls go on beside that: whoever ends a batch takes a
    stronger lock than whoever calls for it.

    Args:
        connection: An open transaction.
        source_key: What tells the same source and options.
        gets_limits: Whether the transaction sets the batch's limits; what that locks is locked before batches.
    """
    locks.hold(connection, Space.SOURCE, source_key)
    if gets_limits:
        candidates = text(
            "SELECT id FROM batches WHERE source_key = :key AND state IN ('active', 'paused') ORDER BY id"
        )
        for batch_id in connection.execute(candidates, {"key": source_key}).scalars().all():
            locks.hold(connection, Space.LIMITS, str(batch_id))
    finish_settled(connection, source_key)
    statement = text(
        "SELECT id FROM batches WHERE source_key = :key AND state IN ('active', 'paused') ORDER BY id DESC LIMIT 1 "
        "FOR KEY SHARE"
    )
    return connection.execute(statement, {"key": source_key}).scalar_one_or_none()


def find_newest(connection: Connection, source_key: str) -> int | None:
    """Return the newest batch of a source that was not cancelled, ended or not, locked against its end."""
    locks.hold(connection, Space.SOURCE, source_key)
    statement = text(
        "SELECT id FROM batches WHERE source_key = :key AND state <> 'cancelled' ORDER BY id DESC LIMIT 1 FOR UPDATE"
    )
    return connection.execute(statement, {"key": source_key}).scalar_one_or_none()


def pause(connection: Connection, batch_id: int, reason: str) -> bool:
    """Pause an active batch; what waits in Redis goes back to pending. Return whether that changed anything.

    A person's word (`hand`) also holds for a batch that is paused for another reason, which could pass.
    """
    changed = connection.execute(
        text(
            "UPDATE batches SET state = 'paused', pause_reason = :why WHERE id = :id "
            "AND (state = 'active' OR (:why = 'hand' AND state = 'paused' AND pause_reason <> 'hand'))"
        ),
        {"id": batch_id, "why": reason},
    ).rowcount
    by_key(connection)
    found = text(f"SELECT job_id FROM {queued_of(':id')} AS queued")  # noqa: S608
    queued = list(connection.execute(found, {"id": batch_id}).scalars())
    if queued:
        # Whoever is about to claim one has its row.
        connection.execute(
            text("SELECT 1 FROM jobs WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"), {"ids": queued}
        )
        connection.execute(text("DELETE FROM queued_jobs WHERE job_id = ANY(:ids)"), {"ids": queued})
    return changed == 1


def resume(connection: Connection, batch_id: int, by: str = "") -> bool:
    """Let a paused batch go on, past a canary that failed. Return whether it was paused.

    Args:
        connection: An open transaction.
        batch_id: Which.
        by: Who says so; kept where a canary failed.
    """
    statement = text(
        "UPDATE batches SET state = 'active', pause_reason = NULL, canary_overridden_by = CASE canary_state "
        "WHEN 'failed' THEN coalesce(canary_overridden_by, :by) END WHERE id = :id AND state = 'paused'"
    )
    return connection.execute(statement, {"id": batch_id, "by": by}).rowcount == 1


def reopen(connection: Connection, batch_id: int) -> None:
    """Make an ended batch active again because it has jobs to run."""
    connection.execute(
        text(
            "UPDATE batches SET state = 'active', finished_at = NULL "
            "WHERE id = :id AND state IN ('finished', 'cancelled')"
        ),
        {"id": batch_id},
    )


_OPEN = "'pending', 'queued', 'running'"
_NONE_TO_REQUEUE = "NOT EXISTS (SELECT 1 FROM requeues AS r WHERE r.batch_id = b.id)"


def finish_settled(connection: Connection, source_key: str | None = None) -> list[int]:
    """Mark every active batch with nothing left to run as finished, or only those of one source; return their ids.

    Batches that somebody adds jobs to right now are locked and passed over; whether the others have open jobs is asked
    only after they are locked here, so that no job is left behind in a finished batch.
    """
    if source_key is None:
        # Not in an intake's transaction, whose own statements want other plans.
        by_key(connection)
    seem = _seem_settled("" if source_key is None else " AND b.source_key = :key")
    candidates = list(connection.execute(seem, {"key": source_key}).scalars())
    if not candidates:
        return []
    statement = text(
        "UPDATE batches AS b SET state = 'finished', finished_at = now() WHERE b.id = ANY(:ids) "  # noqa: S608
        # A scalar asks for one row of one batch, where NOT EXISTS may read all open jobs there are; and its order is
        # that of the index over states, where others have all that ended, too.
        "AND (SELECT id FROM (SELECT id FROM jobs WHERE batch_id BETWEEN b.id AND b.id "
        "AND state IN ('pending', 'running') ORDER BY batch_id, state OFFSET 0) AS open LIMIT 1) IS NULL "
        f"AND {_NONE_TO_REQUEUE} RETURNING b.id"
    )
    return sorted(connection.execute(statement, {"ids": candidates}).scalars())


def _seem_settled(only: str) -> TextClause:
    """Return what locks the batches that have no open job by what triggers keep count of, however many were open.

    What changed is read once, and not again for each batch.
    """
    counted = tallies.counted(_OPEN)
    found = "batches" if only else ACTIVE
    return text(
        "WITH changed AS MATERIALIZED (SELECT batch_id, sum(n) AS n FROM batch_count_changes "  # noqa: S608
        f"WHERE what IN ({_OPEN}) GROUP BY batch_id), "
        # Those that nothing changed of, and those that something did.
        f"still AS MATERIALIZED (SELECT b.id FROM {found} AS b WHERE b.state = 'active'{only} AND {counted} = 0), "
        "seem AS (SELECT id FROM still WHERE id NOT IN (SELECT batch_id FROM changed) UNION ALL "
        "SELECT batch_id FROM changed WHERE (SELECT b.id FROM batches AS b WHERE b.id = changed.batch_id "
        f"AND b.state = 'active'{only} AND changed.n + {counted} = 0) IS NOT NULL) "
        "SELECT b.id FROM batches AS b WHERE b.id = ANY(ARRAY(SELECT id FROM seem)) AND b.state = 'active' "
        f"AND {_NONE_TO_REQUEUE} ORDER BY b.id FOR UPDATE OF b SKIP LOCKED"
    )


def lock(connection: Connection, *batch_ids: int) -> None:
    """Keep batches from ending until this transaction ends; it comes before a lock on any of their jobs."""
    statement = text("SELECT 1 FROM batches WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
    connection.execute(statement, {"ids": sorted(batch_ids)})


ENDED = frozenset({BatchState.FINISHED.value, BatchState.CANCELLED.value})
