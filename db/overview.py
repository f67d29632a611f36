"""Queries for one glance: what waits where, what it costs today, and what needs a person; none looks at every job."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from core.states import Lane
from db.cancels import WAITING
from db.live import RUNNING
from db.plans import ACTIVE, by_key, in_index_order
from db.statements import text
from db.tallies import COST_OF_DAY, MICROS, counted

_PENDING = counted("'pending'")
# What waits is kept count of, batch by batch; what is live is no more than the window.
_COUNTS = text(
    "WITH changed AS MATERIALIZED (SELECT batch_id, sum(n) AS n FROM batch_count_changes "  # noqa: S608
    "WHERE what = 'pending' "
    "GROUP BY batch_id), live AS MATERIALIZED (SELECT batch_id, state, count(*) AS n FROM ("
    "SELECT batch_id, 'queued' AS state FROM queued_jobs UNION ALL "
    f"SELECT batch_id, 'running' FROM {RUNNING} AS running) AS each GROUP BY batch_id, state) "
    "SELECT lane, what, CAST(coalesce(sum(n), 0) AS bigint) AS n FROM ("
    f"SELECT b.lane, 'pending' AS what, {_PENDING} AS n FROM {ACTIVE} AS b "
    "UNION ALL SELECT (SELECT b.lane FROM batches AS b WHERE b.id = batch_id AND b.state = 'active'), 'pending', n "
    "FROM changed "
    "UNION ALL SELECT (SELECT b.lane FROM batches AS b WHERE b.id = batch_id), state, n FROM live"
    ") AS counted WHERE lane IS NOT NULL GROUP BY lane, what"
)


@dataclass(frozen=True, slots=True)
class LaneView:
    """How a lane stands.

    Args:
        lane: Which.
        pending: Jobs of active batches that wait in PostgreSQL.
        queued: Jobs that wait in Redis.
        running: Jobs that a worker has.
        oldest_seconds: How long the one that no worker has has waited that was due first; None when none is due.
    """

    lane: Lane
    pending: int
    queued: int
    running: int
    oldest_seconds: float | None


def look_at_lanes(connection: Connection) -> list[LaneView]:
    """Return how each lane stands, interactive first."""
    by_key(connection)
    found = {(row.lane, row.what): row.n for row in connection.execute(_COUNTS)}
    ages = connection.execute(
        text(
            "SELECT b.lane, CAST(extract(epoch FROM now() - min(j.available_at)) AS double precision) AS age "  # noqa: S608
            # What waits for its canary is not late.
            f"FROM {ACTIVE} AS b CROSS JOIN LATERAL ("
            f"(SELECT j.available_at FROM jobs AS j WHERE b.canary_state IS DISTINCT FROM 'running' AND {WAITING} "
            "AND j.available_at <= now() ORDER BY j.available_at, j.id LIMIT 1) UNION ALL "
            f"(SELECT j.available_at FROM jobs AS j WHERE b.canary_state = 'running' AND j.is_canary AND {WAITING} "
            "AND j.available_at <= now() ORDER BY j.available_at, j.id LIMIT 1)) AS j GROUP BY b.lane"
        )
    )
    oldest = {row.lane: float(row.age) for row in ages}

    def stand(lane: Lane) -> LaneView:
        pending, queued, running = (max(0, found.get((lane, what), 0)) for what in ("pending", "queued", "running"))
        return LaneView(lane, pending, queued, running, oldest.get(lane))

    return [stand(lane) for lane in (Lane.INTERACTIVE, Lane.BULK)]


@dataclass(frozen=True, slots=True)
class PausedBatches:
    """Batches that are paused for one reason.

    Args:
        reason: Why.
        count: How many.
        first_id: One of them.
        since: When the first was paused, as far as it is known.
        newest: When the last was.
    """

    reason: str
    count: int
    first_id: int
    since: datetime | None
    newest: datetime | None


def look_at_paused(connection: Connection) -> list[PausedBatches]:
    """Return what is paused, by reason."""
    statement = text(
        "SELECT pause_reason, count(*), min(id), min(paused_at), max(paused_at) FROM batches WHERE state = 'paused' "
        "GROUP BY pause_reason ORDER BY pause_reason"
    )
    return [PausedBatches(*row) for row in connection.execute(statement)]


def cost_today(connection: Connection) -> Decimal:
    """Return the money of today's calls (UTC) that were or may have been billed."""
    statement = text(
        "SELECT coalesce(sum(n), 0) FROM (SELECT n FROM batch_counts WHERE what = :what "
        "UNION ALL SELECT n FROM batch_count_changes WHERE what = :what) AS both_tables"
    )
    day = connection.execute(text("SELECT CAST(now() AT TIME ZONE 'UTC' AS date)")).scalar_one()
    micros = connection.execute(statement, {"what": f"{COST_OF_DAY}{day}"}).scalar_one()
    return Decimal(micros) / MICROS


def count_held(connection: Connection) -> int:
    """Return how many photos wait for a person, in all batches."""
    statement = text(
        "SELECT coalesce(sum(n), 0) FROM (SELECT n FROM batch_counts WHERE what = 'held' "
        "UNION ALL SELECT n FROM batch_count_changes WHERE what = 'held') AS both_tables"
    )
    return int(connection.execute(statement).scalar_one())


def find_held(connection: Connection, *, after: int, batch_id: int | None = None, limit: int = 1) -> list[int]:
    """Return the next photos that wait for a person and are not being done again, by job id.

    Args:
        connection: An open transaction.
        after: The last job id seen; 0 for the first.
        batch_id: Only of this batch; None for all.
        limit: How many, at most.
    """
    by_key(connection)
    order = in_index_order("batch_id", "state", start=":after", values=("held.batch_id", "'held'"))
    statement = text(
        # In which batches there are any is kept count of; the next of each, as any may be the first of all.
        "WITH held AS MATERIALIZED (SELECT batch_id FROM batch_counts WHERE what = 'held' AND n > 0 UNION "  # noqa: S608
        "SELECT batch_id FROM batch_count_changes WHERE what = 'held') "
        "SELECT next.id FROM held CROSS JOIN LATERAL (SELECT id FROM jobs AS j WHERE "
        "(SELECT r.id FROM jobs AS r WHERE r.redo_of = j.id AND r.state IN ('pending', 'running') LIMIT 1) "
        f"IS NULL AND {order} LIMIT :limit) AS next "
        "WHERE CAST(:batch AS bigint) IS NULL OR held.batch_id = :batch ORDER BY next.id LIMIT :limit"
    )
    return list(connection.execute(statement, {"after": after, "batch": batch_id, "limit": limit}).scalars())
