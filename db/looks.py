"""Queries about what was found on photos: kept by content, so that none is looked at twice."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from core.states import NOTHING_TO_REMOVE
from db.jobs import ClaimedJob, must_hold, whose
from db.statements import text

Rows = Sequence[Mapping[str, Any]]


def find(connection: Connection, sha256: str, version: int) -> Rows | None:
    """Return what was found on a photo by this way of looking; None when nobody looked yet."""
    statement = text("SELECT found FROM findings WHERE sha256 = :sha256 AND version = :version")
    found = connection.execute(statement, {"sha256": sha256, "version": version}).scalar_one_or_none()
    return None if found is None else list(found)


def must_call(connection: Connection, job: ClaimedJob) -> bool:
    """Whether a job is called for whatever is on its photo, because somebody said so when it had not been."""
    statement = text("SELECT must_call FROM jobs WHERE id = :id")
    return bool(connection.execute(statement, {"id": job.id}).scalar_one_or_none())


def keep(connection: Connection, sha256: str, version: int, found: Rows) -> None:
    """Keep what was found on a photo."""
    statement = text(
        "INSERT INTO findings (sha256, version, found) VALUES (:sha256, :version, CAST(:found AS jsonb)) "
        "ON CONFLICT DO NOTHING"
    )
    connection.execute(statement, {"sha256": sha256, "version": version, "found": json.dumps(list(found))})


def note_bare(connection: Connection, job: ClaimedJob) -> bool:
    """Write down that nothing was found on a job's photo that it is to be rid of; return whether that is new.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    statement = text(
        # What is read within RETURNING is as it stood before.
        "UPDATE jobs AS j SET is_bare = true WHERE id = :id AND lease_token = :token AND state = 'running' "
        "RETURNING (SELECT NOT o.is_bare FROM jobs AS o WHERE o.id = j.id)"
    )
    found = connection.execute(statement, whose(job)).scalars().all()
    must_hold(len(found), job)
    return bool(found[0])


def note_unlooked(connection: Connection, batch_id: int) -> bool:
    """Write down that a batch has photos that nobody could look at before their calls; return whether that stands.

    It does not while somebody else keeps the batch, which is not waited for.
    """
    note = text(
        "UPDATE batches SET has_unlooked = true WHERE id = "
        "(SELECT id FROM batches WHERE id = :id AND NOT has_unlooked FOR NO KEY UPDATE SKIP LOCKED)"
    )
    connection.execute(note, {"id": batch_id})
    statement = text("SELECT has_unlooked FROM batches WHERE id = :id")
    return bool(connection.execute(statement, {"id": batch_id}).scalar_one())


@dataclass(frozen=True, slots=True)
class Screened:
    """What looking came to in a batch.

    Args:
        bare: Photos on which nothing was found that is to be taken off.
        skipped: How many of those were not called for.
        has_unlooked: Whether there are others that a worker could not look at, and that were called for.
    """

    bare: int = 0
    skipped: int = 0
    has_unlooked: bool = False

    @property
    def called(self) -> int:
        """Photos that were called for, or are about to be, though nothing was found on them."""
        return self.bare - self.skipped


def count(connection: Connection, batch_id: int) -> Screened:
    """Return what looking came to in a batch; reads the index over photos with nothing on them, and no other."""
    statement = text(
        "SELECT count(*), count(*) FILTER (WHERE state = 'succeeded' AND code = :code), "
        "(SELECT has_unlooked FROM batches WHERE id = :id) FROM jobs WHERE batch_id = :id AND is_bare"
    )
    bare, skipped, has_unlooked = connection.execute(statement, {"id": batch_id, "code": NOTHING_TO_REMOVE}).one()
    return Screened(bare, skipped, bool(has_unlooked))
