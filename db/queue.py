"""Queries of the dispatcher: what is due, what is stuck, who leads."""

from dataclasses import dataclass

from sqlalchemy import Connection

from core.states import Lane
from db import locks
from db.cancels import WAITING
from db.live import IS_QUEUED, RUNNING, queued_of, running_of
from db.locks import Duty
from db.plans import ACTIVE, by_key
from db.statements import text

MOST_ROUNDS = 5
"""So often is room filled up at once that some batches had too few jobs for; what is left of it, in the next turn."""
LEADER_IDLE_SECONDS = 30.0
"""A leader says something several times a second. One that is frozen says nothing, and must not keep the lead."""


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that was just marked queued and has to be published.

    Args:
        id: Which.
        dispatch: The number of its message, which no other has.
    """

    id: int
    dispatch: int


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
        "WITH live AS MATERIALIZED (SELECT batch_id, count(*) AS n FROM ("  # noqa: S608
        f"SELECT batch_id FROM queued_jobs UNION ALL SELECT batch_id FROM {RUNNING} AS running) AS each "
        "GROUP BY batch_id) "
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
    # Two statements: in one, a planner that takes the pick for a single row reads the table for it, once a job.
    rows = connection.execute(_PICK, {"lane": lane.value, "room": room}).all()
    picked = [int(row.id) for row in rows]
    has_more = any(row.turn == row.level for row in rows)
    queued = queue_these(connection, picked) if picked else {}
    return [DueJob(job_id, queued[job_id]) for job_id in picked if job_id in queued], has_more


def queue_these(connection: Connection, job_ids: list[int]) -> dict[int, int]:
    """Mark those of these jobs as queued that still wait; return the numbers of their messages, by job."""
    # Whoever has locked one has it queued by now, or is about to end it.
    statement = text(
        "WITH waiting AS MATERIALIZED (SELECT id, batch_id FROM jobs WHERE id = ANY(:ids) AND state || '' = 'pending' "
        "ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) "
        "INSERT INTO queued_jobs (job_id, batch_id) SELECT id, batch_id FROM waiting "
        "ON CONFLICT (job_id) DO NOTHING RETURNING job_id, dispatch"
    )
    return {found.job_id: found.dispatch for found in connection.execute(statement, {"ids": job_ids})}


def _due(most: str) -> str:
    """Return, as SQL, the jobs of a batch `b` that are due, the first so many; of one whose canary is out, of that."""
    found = (
        f"SELECT j.id, j.available_at FROM jobs AS j WHERE {WAITING} AND j.available_at <= now() "  # noqa: S608
        f"AND NOT {IS_QUEUED}"
    )
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
            (SELECT count(*) FROM {queued_of("b.id")} AS queued)
            + (SELECT count(*) FROM {running_of("b.id")} AS running) AS live
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
        "SELECT job_id, dispatch FROM queued_jobs WHERE queued_at < now() - make_interval(secs => :age) ORDER BY job_id"
    )
    return [(found.job_id, found.dispatch) for found in connection.execute(statement, {"age": older_than_seconds})]


def list_dispatched(connection: Connection, job_ids: list[int]) -> set[tuple[int, int]]:
    """Return (job id, dispatch number) of those of these jobs whose message waits, or is worked at."""
    by_key(connection)
    # In the order of the key, which else is not surely taken.
    statement = text(
        "(SELECT id, dispatch FROM jobs WHERE id = ANY(:ids) AND lease_token IS NOT NULL ORDER BY id) UNION ALL "
        "(SELECT job_id, dispatch FROM queued_jobs WHERE job_id = ANY(:ids) ORDER BY job_id)"
    )
    return {(found.id, found.dispatch) for found in connection.execute(statement, {"ids": job_ids})}


def unqueue(connection: Connection, gone: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Make jobs due again whose message is gone, and return those that were not dealt with meanwhile.

    Args:
        connection: An open transaction.
        gone: (job id, dispatch number) of each message; a job that was dispatched again since has another number.
    """
    by_key(connection)
    # Whoever has locked one is about to claim or to end it.
    lock = text(
        "SELECT id FROM jobs WHERE id = ANY(:ids) AND state || '' = 'pending' ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
    )
    locked = set(connection.execute(lock, {"ids": [job_id for job_id, _ in gone]}).scalars())
    ours = [each for each in gone if each[0] in locked]
    if not ours:
        return []
    statement = text(
        "DELETE FROM queued_jobs WHERE job_id = ANY(:ids) AND dispatch = ANY(:dispatches) RETURNING job_id, dispatch"
    )
    values = {"ids": [job_id for job_id, _ in ours], "dispatches": [dispatch for _, dispatch in ours]}
    back = {(found.job_id, found.dispatch) for found in connection.execute(statement, values)}
    return [each for each in ours if each in back]
