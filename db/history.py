"""What photos came to before, by item, content and URL: whether they still have to be called for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db import tallies
from db.statements import text
from db.tallies import BatchCounts


@dataclass(frozen=True, slots=True)
class Known:
    """What a photo came to before."""

    state: str
    code: str | None


def find_items(connection: Connection, batch_id: int, keys: list[str]) -> dict[str, Known]:
    """Return what a batch's items came to, by item key; those that still have something to run are left out."""
    statement = text(
        "SELECT item_key, state, code FROM jobs WHERE batch_id = :id AND item_key = ANY(:keys) "
        "AND state NOT IN ('pending', 'running')"
    )
    rows = connection.execute(statement, {"id": batch_id, "keys": keys})
    return {row.item_key: Known(row.state, row.code) for row in rows}


@dataclass(frozen=True, slots=True)
class CleanedItem:
    """What an item was when it was cleaned."""

    source_sha256: str
    content_key: str


def find_done_batch(connection: Connection, source_key: str) -> tuple[int, BatchCounts] | None:
    """Return the newest batch of a source and its options, and its counts, if it is finished, and all clean or held."""
    statement = text("SELECT id, state FROM batches WHERE source_key = :key ORDER BY id DESC LIMIT 1")
    row = connection.execute(statement, {"key": source_key}).one_or_none()
    if row is None or row.state != "finished":
        return None
    counts = tallies.counts(connection, row.id)
    return (row.id, counts) if counts.succeeded + counts.held == counts.total else None


def find_done_items(connection: Connection, batch_id: int, keys: list[str]) -> dict[str, CleanedItem]:
    """Return what those of a batch's items were that are clean, or wait for a person, by item key."""
    statement = text(
        "SELECT item_key, source_sha256, content_key FROM jobs WHERE batch_id = :id AND item_key = ANY(:keys) "
        "AND state IN ('succeeded', 'held') AND source_sha256 IS NOT NULL AND content_key IS NOT NULL"
    )
    rows = connection.execute(statement, {"id": batch_id, "keys": keys})
    return {row.item_key: CleanedItem(row.source_sha256, row.content_key) for row in rows}


def find_contents(connection: Connection, keys: list[str], only_batch: int | None) -> dict[str, Known]:
    """Return what photos came to before, by content key, as far as that makes a call needless.

    Args:
        connection: An open transaction.
        keys: Content keys.
        only_batch: Look at this batch alone (0: at none), for photos that are to be paid for again.
    """
    statement = text(
        "SELECT DISTINCT ON (content_key) content_key, state, code FROM jobs AS j WHERE content_key = ANY(:keys) "
        "AND (CAST(:batch AS bigint) IS NULL OR batch_id = :batch) "
        "AND ((state = 'succeeded' AND code <> 'nothing_to_remove') OR state = 'held' OR (state = 'dead' "
        "AND (code = 'rejected' OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.job_id = j.id "
        "AND a.code = j.code AND a.answer_class = 'permanent')))) "
        "ORDER BY content_key, state = 'succeeded' DESC, state = 'held' DESC"
    )
    rows = connection.execute(statement, {"keys": keys, "batch": only_batch})
    return {row.content_key: Known(row.state, row.code) for row in rows}


@dataclass(frozen=True, slots=True)
class CleanedUrl:
    """What was behind a URL when it was cleaned, fetched at `since` or later, and the newest job that did."""

    url: str
    sha256: str
    content_key: str
    since: datetime
    job_id: int


def find_cleaned_urls(connection: Connection, urls: list[str], only_batch: int | None) -> list[CleanedUrl]:
    """Return what was cleaned from these URLs before.

    Args:
        connection: An open transaction.
        urls: As jobs were handed in with.
        only_batch: As for `find_contents`.
    """
    statement = text(
        "SELECT source_uri, source_sha256, content_key, max(coalesce(started_at, created_at)), max(id) "
        "FROM jobs "
        "WHERE source_uri = ANY(:urls) "
        "AND state = 'succeeded' AND code <> 'nothing_to_remove' AND content_key IS NOT NULL "
        "AND (CAST(:batch AS bigint) IS NULL OR batch_id = :batch) GROUP BY source_uri, source_sha256, content_key"
    )
    return [CleanedUrl(*row) for row in connection.execute(statement, {"urls": urls, "batch": only_batch})]


def list_bare(connection: Connection, job_ids: list[int]) -> set[int]:
    """Return which of these jobs were to have outputs that tell nothing beside their picture."""
    if not job_ids:
        return set()
    statement = text(
        "SELECT j.id FROM unnest(CAST(:ids AS bigint[])) AS n (id) "
        "CROSS JOIN LATERAL (SELECT id, batch_id FROM jobs WHERE id = n.id OFFSET 0) AS j "
        "CROSS JOIN LATERAL (SELECT options FROM batches WHERE id = j.batch_id OFFSET 0) AS b "
        "WHERE b.options ->> 'strip_metadata' = 'true'"
    )
    return set(connection.execute(statement, {"ids": sorted(set(job_ids))}).scalars())
