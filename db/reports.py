"""Queries for people: one row per photo with everything that happened to it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

PAGE = 500


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """One photo as the report shows it."""

    job_id: int
    batch_id: int
    source_uri: str
    source_sha256: str | None
    name: str
    sku: str | None
    state: str
    code: str | None
    message: str | None
    attempts: int
    calls: int
    paid: int
    maybe_billed: int
    reused_from: int | None
    changed_ratio: float | None
    artifact_sha256: str | None
    artifact_format: str | None
    started_at: datetime | None
    finished_at: datetime | None
    call_seconds: float | None
    request_ids: list[str]


def list_photos(connection: Connection, *, batch_id: int, after: int) -> list[PhotoRow]:
    """Return the next page of a batch's photos in the order they came in.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        after: The last job id of the page before; 0 for the first page.
    """
    statement = text(
        """
        SELECT j.id, j.batch_id, j.source_uri, j.source_sha256, j.name, j.sku, j.state, j.code, j.message, j.attempts,
               coalesce(a.calls, 0), coalesce(a.paid, 0), coalesce(a.maybe_billed, 0), j.reused_from, j.changed_ratio,
               j.artifact_sha256, f.format, j.started_at, j.finished_at, a.call_seconds,
               coalesce(a.request_ids, ARRAY[]::text[])
        FROM jobs AS j
        LEFT JOIN artifacts AS f ON f.sha256 = j.artifact_sha256
        LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE sent_at IS NOT NULL) AS calls,
                   count(*) FILTER (WHERE spend = 'paid') AS paid,
                   count(*) FILTER (WHERE spend = 'maybe') AS maybe_billed,
                   sum(latency_seconds) AS call_seconds,
                   array_agg(request_id ORDER BY id) FILTER (WHERE request_id IS NOT NULL) AS request_ids
            FROM attempts WHERE job_id = j.id
        ) AS a ON true
        WHERE j.batch_id = :batch_id AND j.id > :after ORDER BY j.id LIMIT :page
        """
    )
    rows = connection.execute(statement, {"batch_id": batch_id, "after": after, "page": PAGE})
    return [PhotoRow(*row) for row in rows]


def count_dead_by_code(connection: Connection, batch_id: int) -> list[tuple[str, int, str]]:
    """Return (code, how many, one message) of a batch's dead and held jobs, most frequent first."""
    statement = text(
        "SELECT code, count(*) AS n, min(message) FROM jobs WHERE batch_id = :id AND state IN ('dead', 'held') "
        "GROUP BY code ORDER BY n DESC, code"
    )
    return [(row[0] or "", int(row[1]), row[2] or "") for row in connection.execute(statement, {"id": batch_id})]
