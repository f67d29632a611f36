"""Queries about photos that somebody wants looked at again; where it stands, and what exports do, stays."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.statements import text


@dataclass(frozen=True, slots=True)
class Flag:
    """Says that somebody wants a photo looked at.

    Args:
        flagged_by: Who.
        reason: Why; empty when nothing was said.
        flagged_at: Since when.
    """

    flagged_by: str
    reason: str
    flagged_at: datetime


def put(connection: Connection, job_id: int, flagged_by: str, reason: str) -> bool:
    """Flag a photo; return whether it was not, and there is one."""
    statement = text(
        "INSERT INTO flags (job_id, batch_id, flagged_by, reason) SELECT id, batch_id, :by, :reason FROM jobs "
        "WHERE id = :id ON CONFLICT DO NOTHING"
    )
    return connection.execute(statement, {"id": job_id, "by": flagged_by[:200], "reason": reason[:500]}).rowcount > 0


def take_away(connection: Connection, job_ids: list[int]) -> int:
    """Take the flags of some photos away; return how many had one."""
    return connection.execute(text("DELETE FROM flags WHERE job_id = ANY(:ids)"), {"ids": job_ids}).rowcount


def find(connection: Connection, job_id: int) -> Flag | None:
    """Return a photo's flag, or None."""
    statement = text("SELECT flagged_by, reason, flagged_at FROM flags WHERE job_id = :id")
    row = connection.execute(statement, {"id": job_id}).one_or_none()
    return Flag(*row) if row else None


def list_next(connection: Connection, *, after: int, batch_id: int | None = None, limit: int = 1) -> list[int]:
    """Return the next photos that are flagged, by job id.

    Args:
        connection: An open transaction.
        after: The last job id seen; 0 for the first.
        batch_id: Only of this batch; None for all.
        limit: How many, at most.
    """
    of_batch = "" if batch_id is None else "AND batch_id = :batch "
    statement = text(f"SELECT job_id FROM flags WHERE job_id > :after {of_batch}ORDER BY job_id LIMIT :limit")  # noqa: S608
    return list(connection.execute(statement, {"after": after, "batch": batch_id, "limit": limit}).scalars())


def count(connection: Connection, batch_id: int | None = None) -> int:
    """Return how many photos are flagged, in one batch or in all."""
    of_batch = "" if batch_id is None else " WHERE batch_id = :batch"
    return int(connection.execute(text(f"SELECT count(*) FROM flags{of_batch}"), {"batch": batch_id}).scalar_one())  # noqa: S608
