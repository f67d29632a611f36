"""How many calls were sent when: sums of ten seconds each, kept for two days."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.plans import by_range
from db.statements import text

KEPT_SECONDS = 48 * 3600
_BUCKET = "date_bin('10 seconds', sent_at, TIMESTAMPTZ '2000-01-01')"


@dataclass(frozen=True, slots=True)
class RatePoint:
    """The calls of a stretch of time.

    Args:
        at: When it begins.
        calls: Calls that were sent.
        throttled: Those of them that the API throttled.
        failed: Those of them that failed another way.
    """

    at: datetime
    calls: int
    throttled: int
    failed: int


def record(connection: Connection, settled_after_seconds: float) -> None:
    """Sum up the calls since the last time; what was not answered then is summed up anew.

    Args:
        connection: An open transaction.
        settled_after_seconds: How long a call may be without an answer.
    """
    by_range(connection)
    statement = text(
        "INSERT INTO call_rates (at, calls, throttled, failed) "  # noqa: S608 - a constant of this module
        f"SELECT {_BUCKET}, count(*), count(*) FILTER (WHERE answer_class = 'throttled'), "
        "count(*) FILTER (WHERE answer_class NOT IN ('throttled', 'success')) FROM attempts "
        "WHERE sent_at >= date_bin('10 seconds', greatest(now() - make_interval(secs => :kept), "
        "least(now() - make_interval(secs => :settled), (SELECT coalesce(max(at), '-infinity') FROM call_rates))), "
        "TIMESTAMPTZ '2000-01-01') GROUP BY 1 "
        "ON CONFLICT (at) DO UPDATE SET calls = excluded.calls, throttled = excluded.throttled, "
        "failed = excluded.failed"
    )
    connection.execute(statement, {"settled": settled_after_seconds, "kept": KEPT_SECONDS})


def forget_old(connection: Connection) -> int:
    """Forget what is older than two days; return how many sums."""
    statement = text("DELETE FROM call_rates WHERE at < now() - make_interval(secs => :kept)")
    return connection.execute(statement, {"kept": KEPT_SECONDS}).rowcount


def answered_lately(connection: Connection) -> float:
    """Return how many calls a second were answered well, in the best of the last three whole stretches.

    0 unless there were calls in all of them: a few photos take a moment of a stretch, which says nothing of the pace.
    """
    statement = text(
        "SELECT CASE WHEN count(*) FILTER (WHERE calls > 0) >= 3 THEN max(calls - throttled - failed) / 10.0 "
        "ELSE 0 END FROM call_rates WHERE at > now() - interval '40 seconds' AND at <= now() - interval '10 seconds'"
    )
    return float(connection.execute(statement).scalar_one())


def history(connection: Connection, *, seconds: int, step_seconds: int) -> list[RatePoint]:
    """Return the calls of the last so many seconds, oldest first, with a point for each step, also one without calls.

    Args:
        connection: An open transaction.
        seconds: How far back.
        step_seconds: How long each point's stretch is; a multiple of ten.
    """
    statement = text(
        "SELECT s.at, coalesce(sum(r.calls), 0), coalesce(sum(r.throttled), 0), coalesce(sum(r.failed), 0) "
        "FROM generate_series(date_bin(CAST(:step AS interval), now() - CAST(:span AS interval), "
        "TIMESTAMPTZ '2000-01-01'), now(), CAST(:step AS interval)) AS s (at) "
        "LEFT JOIN call_rates AS r ON r.at >= s.at AND r.at < s.at + CAST(:step AS interval) "
        "GROUP BY s.at ORDER BY s.at"
    )
    values = {"step": f"{step_seconds} seconds", "span": f"{seconds} seconds"}
    rows = connection.execute(statement, values)
    return [RatePoint(row[0], int(row[1]), int(row[2]), int(row[3])) for row in rows]


def sent_today(connection: Connection) -> int:
    """Return how many calls were sent today (UTC), whosever account they are of, as of the last sum."""
    statement = text(
        "SELECT coalesce(sum(calls), 0) FROM call_rates WHERE at >= CAST(now() AT TIME ZONE 'UTC' AS date) "
        "AT TIME ZONE 'UTC'"
    )
    return int(connection.execute(statement).scalar_one())
