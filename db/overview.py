"""Queries for one glance: what waits where, what it costs today, and what needs a person; none looks at every job."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from core.states import Lane
from db.cancels import WAITING
from db.listings import in_index_order
from db.tallies import COST_OF_DAY, MICROS

_COUNTS = "(SELECT batch_id, what, n FROM batch_counts UNION ALL SELECT batch_id, what, n FROM batch_count_changes)"


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
    counts = connection.execute(
        text(
            "SELECT b.lane, c.what, CAST(sum(c.n) AS bigint) AS n FROM batches AS b "  # noqa: S608
            f"JOIN {_COUNTS} AS c ON c.batch_id = b.id WHERE b.state IN ('active', 'paused', 'cancelled') "
            "AND c.what IN ('pending', 'queued', 'running') AND (b.state = 'active' OR c.what <> 'pending') "
            "GROUP BY b.lane, c.what"
        )
    )
    found = {(row.lane, row.what): row.n for row in counts}
    ages = connection.execute(
        text(
            "SELECT b.lane, CAST(extract(epoch FROM now() - min(j.available_at)) AS double precision) AS age "  # noqa: S608
            # What waits for its canary is not late.
            "FROM batches AS b CROSS JOIN LATERAL ("
            f"(SELECT j.available_at FROM jobs AS j WHERE b.canary_state IS DISTINCT FROM 'running' AND {WAITING} "
            "AND j.available_at <= now() ORDER BY j.available_at, j.id LIMIT 1) UNION ALL "
            f"(SELECT j.available_at FROM jobs AS j WHERE b.canary_state = 'running' AND j.is_canary AND {WAITING} "
            "AND j.available_at <= now() ORDER BY j.available_at, j.id LIMIT 1) UNION ALL "
            "(SELECT min(available_at) FROM jobs WHERE batch_id = b.id AND state = 'queued')) AS j "
            "WHERE b.state = 'active' AND j.available_at IS NOT NULL GROUP BY b.lane"
        )
    )
    oldest = {row.lane: float(row.age) for row in ages}

    def stand(lane: Lane) -> LaneView:
        pending, queued, running = (max(0, found.get((lane, what), 0)) for what in ("pending", "queued", "running"))
        return LaneView(lane, pending, queued, running, oldest.get(lane))

    return [stand(lane) for lane in (Lane.INTERACTIVE, Lane.BULK)]


def count_paused(connection: Connection) -> dict[str, int]:
    """Return how many batches are paused, by reason; those there are none of are not in it."""
    statement = text("SELECT pause_reason, count(*) AS n FROM batches WHERE state = 'paused' GROUP BY pause_reason")
    return {row.pause_reason: row.n for row in connection.execute(statement)}


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
    order = "j.id > :after ORDER BY j.id"
    if batch_id is not None:
        order = in_index_order("batch_id", "state", start=":after", values=(":batch", "'held'"))
    statement = text(
        f"SELECT j.id FROM jobs AS j WHERE j.state = 'held' AND "  # noqa: S608 - conditions of this module
        "NOT EXISTS (SELECT 1 FROM jobs AS r WHERE r.redo_of = j.id "
        f"AND r.state IN ('pending', 'queued', 'running')) AND {order} LIMIT :limit"
    )
    return list(connection.execute(statement, {"after": after, "batch": batch_id, "limit": limit}).scalars())
