"""Queries about names that sources' servers give to photos whose URLs tell none."""

import posixpath

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from db.jobs import ClaimedJob, must_hold
from db.plans import by_key
from db.statements import text


def keep(connection: Connection, job: ClaimedJob, name: str) -> str:
    """Keep the name a photo was given, once and for ever; return it, numbered by its job when another has it.

    Who comes first has the name: what is exported by then keeps it. No two photos of a batch have the same one.

    Args:
        connection: An open transaction.
        job: Whose.
        name: One path component that is safe.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    # Of those that are noted at the same moment one waits for the other, and finds the name taken.
    statement = text(
        "UPDATE jobs SET given_name = coalesce(given_name, :name) WHERE id = :id AND lease_token = :token "
        "RETURNING given_name"
    )
    stem, suffix = posixpath.splitext(name)
    kept = ""
    for each in (name, f"{stem}-{job.id}{suffix}"):
        try:
            with connection.begin_nested():
                values = {"id": job.id, "token": job.lease_token, "name": each}
                rows = connection.execute(statement, values).scalars().all()
        except IntegrityError:
            continue
        must_hold(len(rows), job)
        kept = str(rows[0])
        break
    return kept


def has_any(connection: Connection, batch_id: int) -> bool:
    """Whether a photo of a batch was given a name."""
    by_key(connection)
    statement = text(
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE batch_id = :id AND given_name IS NOT NULL "
        "ORDER BY lower(given_name) LIMIT 1)"
    )
    return bool(connection.execute(statement, {"id": batch_id}).scalar_one())
