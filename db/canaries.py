"""Some photos of a batch go first; whether the rest follows depends on how they came out.

A photo whose output was there already, or that was cancelled, tells nothing of the calls that the rest would make, even
if one was made for it before and was throttled or failed. While none of those that went first ended by a call, as
many again go first: where so many needed no call, few of the next will, and a batch that needs none is through after
a few rounds.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from db import batches
from db.cancels import WAITING
from db.plans import by_key
from db.statements import text

PAUSE_REASON = "canary"
PASSED, FAILED = "passed", "failed"
LOOKED_AT = 2_000
"""So many of those that wait are looked at to choose more of them: all of a million would hold up the dispatcher."""


@dataclass(frozen=True, slots=True)
class CanaryVerdict:
    """How a canary came out.

    Args:
        batch_id: Whose.
        is_good: Whether the rest may follow.
        bad: How many are dead or held.
        total: How many there are.
        called_bad: How many of those that ended by calls are dead or held.
        called: How many ended by calls of their own.
    """

    batch_id: int
    is_good: bool
    bad: int
    total: int
    called_bad: int
    called: int


def choose(connection: Connection, batch_id: int, count: int) -> None:
    """Make so many jobs of a new batch, spread evenly over it, its canary; a batch no larger than that needs none."""
    batches.lock(connection, batch_id)
    if _mark(connection, batch_id, count, needs_rest=True):
        connection.execute(text("UPDATE batches SET canary_state = 'running' WHERE id = :id"), {"id": batch_id})


def judge(connection: Connection, most_bad: float) -> list[CanaryVerdict]:
    """Let every batch whose canary has ended go on, or pause it; return what was decided.

    Where none was called yet nothing is decided and others are chosen, unless none are left.

    Args:
        connection: An open transaction.
        most_bad: The share of a canary, and of those of it that were called, that may be dead or held.
    """
    by_key(connection)
    verdicts = []
    for row in connection.execute(_ENDED).all():
        is_good = row.bad <= most_bad * row.total and row.called_bad <= most_bad * row.called
        if is_good and not row.called and _mark(connection, row.id, row.total, of_next=max(row.total, LOOKED_AT)):
            continue
        connection.execute(
            text("UPDATE batches SET canary_state = :state WHERE id = :id"),
            {"id": row.id, "state": PASSED if is_good else FAILED},
        )
        if not is_good:
            batches.pause(connection, row.id, PAUSE_REASON)
        verdicts.append(CanaryVerdict(row.id, is_good, row.bad, row.total, row.called_bad, row.called))
    return verdicts


@dataclass(frozen=True, slots=True)
class CanaryCounts:
    """How the photos that went first came out."""

    total: int
    succeeded: int
    dead: int
    held: int


def count(connection: Connection, batch_id: int) -> CanaryCounts:
    """Return how a batch's canary stands."""
    statement = text(
        "SELECT count(*), count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'dead'), "
        "count(*) FILTER (WHERE state = 'held') FROM jobs WHERE batch_id = :id AND is_canary"
    )
    return CanaryCounts(*connection.execute(statement, {"id": batch_id}).one())


_ENDED = text(
    "SELECT b.id, canary.* FROM batches AS b CROSS JOIN LATERAL (SELECT count(*) AS total, "
    "count(*) FILTER (WHERE is_bad) AS bad, count(*) FILTER (WHERE was_called) AS called, "
    "count(*) FILTER (WHERE is_bad AND was_called) AS called_bad FROM ("
    "SELECT j.state IN ('dead', 'held') AS is_bad, j.state <> 'cancelled' AND j.reused_from IS NULL "
    # What is refused for everybody's sake says nothing of a photo.
    # For EXISTS, a planner that takes attempts for few would rather read all of them.
    "AND (SELECT a.id FROM attempts AS a WHERE a.job_id = j.id AND a.sent_at IS NOT NULL "
    "AND a.answer_class NOT IN ('throttled', 'account') LIMIT 1) IS NOT NULL AS was_called "
    "FROM jobs AS j WHERE j.batch_id = b.id AND j.is_canary) AS each"
    ") AS canary WHERE b.canary_state = 'running' AND b.state = 'active' AND (SELECT id FROM jobs "
    "WHERE batch_id = b.id AND is_canary AND state IN ('pending', 'running') LIMIT 1) IS NULL "
    "FOR UPDATE OF b SKIP LOCKED"
)


def _mark(
    connection: Connection, batch_id: int, count: int, *, needs_rest: bool = False, of_next: int | None = None
) -> int:
    """Make so many of the jobs that wait, or all if there are no more, part of the canary; return how many.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        count: How many.
        needs_rest: Whether there is to be none when there are no more.
        of_next: Of the next so many only; None for all.
    """
    statement = text(
        "WITH numbered AS (SELECT j.id, row_number() OVER (ORDER BY j.id) AS place, "  # noqa: S608
        "count(*) OVER () AS total, least(:count, count(*) OVER ()) AS most FROM (SELECT j.id FROM jobs AS j "
        f"JOIN batches AS b ON b.id = j.batch_id WHERE b.id = :id AND NOT j.is_canary AND {WAITING} "
        "ORDER BY j.available_at, j.id LIMIT CAST(:of_next AS bigint)) AS j), "
        "chosen AS MATERIALIZED (SELECT id FROM jobs WHERE id IN (SELECT id FROM numbered "
        "WHERE (total > :count OR NOT :needs_rest) AND place * most / total > (place - 1) * most / total) "
        "ORDER BY id FOR NO KEY UPDATE) "
        "UPDATE jobs AS j SET is_canary = true FROM chosen WHERE j.id = chosen.id"
    )
    values = {"id": batch_id, "count": count, "needs_rest": needs_rest, "of_next": of_next}
    return connection.execute(statement, values).rowcount
