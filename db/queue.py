"""Queries of the dispatcher: what is due, what is stuck, who leads."""

from dataclasses import dataclass

from sqlalchemy import Connection

from core.states import Lane
from db import locks
from db.cancels import WAITING
from db.locks import Duty
from db.plans import ACTIVE, AT_PLACES, LIVE, PLACE, by_key
from db.statements import text

MOST_ROUNDS = 5
"""So often is room filled up at once that some batches had too few jobs for; what is left of it, in the next turn."""
LEADER_IDLE_SECONDS = 30.0
"""A leader says something several times a second. One that is frozen says nothing, and must not keep the lead."""


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that was just marked queued and has to be published."""

    id: int
    dispatches: int


def try_to_lead(connection: Connection) -> bool:
    """Take the leader lock for as long as this connection's session lives; False when another holds it.

    PostgreSQL ends the session of a leader that falls silent.
    """
    if not locks.try_duty(connection, Duty.LEAD):
        return False
    connection.exec_driver_sql(
        f"SET idle_session_timeout = {LEADER_IDLE_SECONDS * 1000:.0f}; SET enable_seqscan = off; SET enable_sort = off"
    )
    return True


def go_on_leading(connection: Connection) -> bool:
    """Keep the leader's session alive, and return whether any batch is active: without one, nothing can be due."""
    return connection.execute(text(f"SELECT EXISTS (SELECT 1 FROM {ACTIVE} AS active)")).scalar_one() is True  # noqa: S608


def count_live(connection: Connection) -> dict[Lane, int]:
    """Return how many jobs are in Redis or running, by lane; none of a lane that is missing."""
    by_key(connection)
    statement = text(
        # Nothing is joined: a planner that takes batches for few would look for what is live batch by batch.
        "WITH live AS MATERIALIZED "  # noqa: S608
        f"(SELECT batch_id, count(*) AS n FROM {LIVE} AS live GROUP BY batch_id) "
        "SELECT (SELECT lane FROM batches WHERE id = live.batch_id) AS lane, n FROM live"
    )
    found: dict[Lane, int] = {}
    for row in connection.execute(statement):
        lane = Lane(row.lane)
        found[lane] = found.get(lane, 0) + row.n
    return found


def queue_due(connection: Connection, lane: Lane, room: int) -> list[DueJob]:
    """Mark up to `room` due jobs as queued, fair across the lane's active batches, and return them in order.

    A batch's next job competes by its place in the batch plus what the batch already has in flight, so a batch
    of a million jobs and one of ten get the same share. Of a batch whose canary is out only the canary is due.
    """
    by_key(connection)
    found: list[DueJob] = []
    for _ in range(MOST_ROUNDS):
        queued, has_more = _queue_round(connection, lane, room - len(found))
        found += queued
        if not has_more or len(found) >= room:
            break
    return found


def _queue_round(connection: Connection, lane: Lane, room: int) -> tuple[list[DueJob], bool]:
    """Queue what fits when no batch with due jobs runs out of them; say whether some had more than was taken."""
    # Three statements: in one, a planner that takes the pick for a single row reads the table for it, once a job.
    rows = connection.execute(_PICK, {"lane": lane.value, "room": room}).all()
    picked = [int(row.id) for row in rows]
    has_more = any(row.turn == row.level for row in rows)
    # Whoever has locked one has it queued by now, or is about to end it.
    lock = text(
        f"SELECT {PLACE} FROM jobs WHERE id = ANY(:ids) AND state || '' = 'pending' "  # noqa: S608
        "ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
    )
    places = list(connection.execute(lock, {"ids": picked}).scalars()) if picked else []
    if not places:
        return [], False
    statement = text(
        "UPDATE jobs SET state = 'queued', queued_at = now(), dispatches = dispatches + 1 "  # noqa: S608
        f"WHERE {AT_PLACES} RETURNING id, dispatches"
    )
    dispatches = {row.id: row.dispatches for row in connection.execute(statement, {"places": places})}
    return [DueJob(job_id, dispatches[job_id]) for job_id in picked if job_id in dispatches], has_more


def _due(most: str) -> str:
    """Return, as SQL, the jobs of a batch `b` that are due, the first so many; of one whose canary is out, of that."""
    found = f"SELECT j.id, j.available_at FROM jobs AS j WHERE {WAITING} AND j.available_at <= now()"  # noqa: S608
    order = f"ORDER BY j.available_at, j.id LIMIT {most}"
    return (
        f"({found} AND b.canary_state IS DISTINCT FROM 'running' {order}) UNION ALL "
        f"({found} AND b.canary_state = 'running' AND j.is_canary {order})"
    )


# Each batch has as many in flight as every other when its jobs up to a level are taken: the one that the room, poured
# over those that have the least, comes to. So each batch is asked for its share alone.
_PICK = text(
    f"""
    WITH ready AS MATERIALIZED (
        SELECT b.id,
            (SELECT count(*) FROM (
                SELECT 1 FROM jobs WHERE batch_id = b.id AND state IN ('queued', 'running') ORDER BY state OFFSET 0
            ) AS live) AS live
        FROM (
            SELECT * FROM batches WHERE state = 'active' AND lane BETWEEN :lane AND :lane ORDER BY lane, id OFFSET 0
        ) AS b CROSS JOIN LATERAL (SELECT 1 FROM ({_due("1")}) AS j LIMIT 1) AS first
    ), level AS MATERIALIZED (
        SELECT ceil(min((:room + below) / place)) AS level FROM (
            SELECT row_number() OVER least AS place, sum(live) OVER least AS below
            FROM ready WINDOW least AS (ORDER BY live, id)
        ) AS poured
    )
    SELECT j.id, level.level, ready.live + row_number() OVER (PARTITION BY b.id ORDER BY j.available_at, j.id) AS turn
    FROM level CROSS JOIN ready CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = ready.id OFFSET 0) AS b
    CROSS JOIN LATERAL ({_due("greatest(0, level.level - ready.live)")}) AS j
    WHERE ready.live < level.level
    ORDER BY turn, b.id LIMIT :room
    """  # noqa: S608
)


def list_unclaimed(connection: Connection, older_than_seconds: float) -> list[tuple[int, int]]:
    """Return (job id, dispatch number) of jobs that were published so long ago and never claimed."""
    by_key(connection)
    statement = text(
        f"SELECT id, dispatches FROM {LIVE} AS live "  # noqa: S608
        "WHERE state = 'queued' AND queued_at < now() - make_interval(secs => :age)"
    )
    return [(row.id, row.dispatches) for row in connection.execute(statement, {"age": older_than_seconds})]


def list_dispatched(connection: Connection, job_ids: list[int]) -> set[tuple[int, int]]:
    """Return (job id, dispatch number) of those of these jobs whose message waits, or is worked at."""
    by_key(connection)
    # In the order of the key, which else is not surely taken.
    statement = text(
        "SELECT id, dispatches FROM jobs WHERE id = ANY(:ids) AND state || '' IN ('queued', 'running') ORDER BY id"
    )
    return {(row.id, row.dispatches) for row in connection.execute(statement, {"ids": job_ids})}


def unqueue(connection: Connection, gone: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Make jobs due again whose message is gone, and return those that were not dealt with meanwhile.

    Args:
        connection: An open transaction.
        gone: (job id, dispatch number) of each message; a job that was dispatched again since has another number.
    """
    by_key(connection)
    # Whoever has locked one is about to claim or to end it.
    lock = text(
        f"SELECT id, dispatches, {PLACE} FROM jobs WHERE id = ANY(:ids) AND state || '' = 'queued' "  # noqa: S608
        "ORDER BY id FOR UPDATE SKIP LOCKED"
    )
    locked = connection.execute(lock, {"ids": [job_id for job_id, _ in gone]})
    places = {(row.id, row.dispatches): row.place for row in locked}
    found = [each for each in gone if each in places]
    if found:
        statement = text(f"UPDATE jobs SET state = 'pending', queued_at = NULL WHERE {AT_PLACES}")  # noqa: S608
        connection.execute(statement, {"places": [places[each] for each in found]})
    return found
