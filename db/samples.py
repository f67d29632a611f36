"""Samples: some photos of a batch, drawn at random, by which a person signs it off."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.statements import text


@dataclass(frozen=True, slots=True)
class PhotoSample:
    """Photos that were drawn, and what was signed.

    Args:
        id: Its number.
        batch_id: Whose photos.
        population: How many clean ones there were to draw from.
        job_ids: Those that were drawn.
        drawn_by: Who had it drawn.
        drawn_at: When.
        bad_ids: Those that were found bad; None before it is signed.
        confidence: How sure the bound is, from 0 to 1.
        most_bad: The share of all that is bad at most.
        signed_by: Who signed the batch off by it.
        signed_at: When.
    """

    id: int
    batch_id: int
    population: int
    job_ids: list[int]
    drawn_by: str
    drawn_at: datetime
    bad_ids: list[int] | None
    confidence: float | None
    most_bad: float | None
    signed_by: str | None
    signed_at: datetime | None


_SAMPLE = (
    "SELECT id, batch_id, population, job_ids, drawn_by, drawn_at, bad_ids, confidence, most_bad, signed_by, signed_at "
    "FROM samples "
)


def draw(connection: Connection, batch_id: int, size: int, by: str) -> PhotoSample | None:
    """Draw so many of a batch's clean photos at random, each as likely as any other; None when there is none."""
    statement = text(
        "SELECT id FROM jobs WHERE batch_id = :batch AND state = 'succeeded' ORDER BY random() LIMIT :size"
    )
    ids = sorted(connection.execute(statement, {"batch": batch_id, "size": size}).scalars())
    if not ids:
        return None
    population = text("SELECT count(*) FROM jobs WHERE batch_id = :batch AND state = 'succeeded'")
    made = text(
        "INSERT INTO samples (batch_id, population, job_ids, drawn_by) "
        "VALUES (:batch, :population, :ids, :by) RETURNING id"
    )
    values = {
        "batch": batch_id,
        "population": connection.execute(population, {"batch": batch_id}).scalar_one(),
        "ids": ids,
        "by": by,
    }
    return find(connection, int(connection.execute(made, values).scalar_one()))


def find(connection: Connection, sample_id: int) -> PhotoSample | None:
    """Return a sample, or None."""
    row = connection.execute(text(_SAMPLE + "WHERE id = :id"), {"id": sample_id}).one_or_none()
    return PhotoSample(*row) if row else None


def list_signed(connection: Connection, batch_id: int) -> list[PhotoSample]:
    """Return the samples by which a batch was signed off, newest first."""
    statement = text(_SAMPLE + "WHERE batch_id = :batch AND signed_at IS NOT NULL ORDER BY id DESC LIMIT 20")
    return [PhotoSample(*row) for row in connection.execute(statement, {"batch": batch_id})]


def sign(
    connection: Connection, sample_id: int, *, by: str, bad_ids: list[int], confidence: float, most_bad: float
) -> bool:
    """Sign a sample that nobody has signed; return whether it was one."""
    statement = text(
        "UPDATE samples SET bad_ids = :bad, confidence = :confidence, most_bad = :most, signed_by = :by, "
        "signed_at = now() WHERE id = :id AND signed_at IS NULL"
    )
    values = {"id": sample_id, "by": by, "bad": bad_ids, "confidence": confidence, "most": most_bad}
    return connection.execute(statement, values).rowcount == 1
