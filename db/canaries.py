"""Some photos of a batch go first; whether the rest follows depends on how they came out."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from db import batches

PAUSE_REASON = "canary"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a canary came out."""

    batch_id: int
    is_good: bool
    bad: int
    total: int


def choose(connection: Connection, batch_id: int, count: int) -> None:
    """Make so many jobs of a new batch, spread evenly over it, its canary; a batch no larger than that needs none."""
    chosen = connection.execute(
        text(
            "UPDATE jobs SET is_canary = true FROM (SELECT id, row_number() OVER (ORDER BY id) AS place, "
            "count(*) OVER () AS total FROM jobs WHERE batch_id = :id) AS numbered "
            "WHERE jobs.id = numbered.id AND total > :count "
            "AND place * :count / total > (place - 1) * :count / total"
        ),
        {"id": batch_id, "count": count},
    ).rowcount
    if chosen:
        connection.execute(text("UPDATE batches SET canary_state = 'running' WHERE id = :id"), {"id": batch_id})


def judge(connection: Connection, most_bad: float) -> list[Verdict]:
    """Let every batch whose canary has ended go on, or pause it; return what was decided.

    Args:
        connection: An open transaction.
        most_bad: The share of a canary that may be dead or held.
    """
    ended = connection.execute(
        text(
            "SELECT b.id, (SELECT count(*) FROM jobs WHERE batch_id = b.id AND is_canary "
            "AND state IN ('dead', 'held')) AS bad, "
            "(SELECT count(*) FROM jobs WHERE batch_id = b.id AND is_canary) AS total FROM batches AS b "
            "WHERE b.canary_state = 'running' AND b.state = 'active' AND NOT EXISTS (SELECT 1 FROM jobs "
            "WHERE batch_id = b.id AND is_canary AND state IN ('pending', 'queued', 'running')) "
            "FOR UPDATE SKIP LOCKED"
        )
    ).all()
    verdicts = [Verdict(row.id, row.bad <= most_bad * row.total, row.bad, row.total) for row in ended]
    for verdict in verdicts:
        connection.execute(
            text("UPDATE batches SET canary_state = :state WHERE id = :id"),
            {"id": verdict.batch_id, "state": "passed" if verdict.is_good else "failed"},
        )
        if not verdict.is_good:
            batches.pause(connection, verdict.batch_id, PAUSE_REASON)
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
