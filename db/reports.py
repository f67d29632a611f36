"""Queries for people: one row per photo with everything that happened to it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

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
    changed_inside: float | None
    changed_outside: float | None
    artifact_sha256: str | None
    artifact_format: str | None
    started_at: datetime | None
    finished_at: datetime | None
    call_seconds: float | None
    request_ids: list[str]
    cost: Decimal


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
               j.changed_inside, j.changed_outside, j.artifact_sha256, f.format, j.started_at, j.finished_at,
               a.call_seconds, coalesce(a.request_ids, ARRAY[]::text[]), coalesce(a.cost, 0)
        FROM jobs AS j
        LEFT JOIN artifacts AS f ON f.sha256 = j.artifact_sha256
        LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE sent_at IS NOT NULL) AS calls,
                   count(*) FILTER (WHERE spend = 'paid') AS paid,
                   count(*) FILTER (WHERE spend = 'maybe') AS maybe_billed,
                   sum(price) FILTER (WHERE spend <> 'none') AS cost,
                   sum(latency_seconds) AS call_seconds,
                   array_agg(request_id ORDER BY id) FILTER (WHERE request_id IS NOT NULL) AS request_ids
            FROM attempts WHERE job_id = j.id
        ) AS a ON true
        WHERE j.batch_id = :batch_id AND j.id > :after ORDER BY j.id LIMIT :page
        """
    )
    rows = connection.execute(statement, {"batch_id": batch_id, "after": after, "page": PAGE})
    return [PhotoRow(*row) for row in rows]


def count_waiting_by_code(connection: Connection, batch_id: int, most: int) -> list[tuple[str, int, str]]:
    """Return (code, how many, one message) of what a batch's waiting jobs met the last time, most frequent first.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        most: How many codes.
    """
    statement = text(
        "SELECT code, count(*) AS n, min(message) FROM jobs WHERE batch_id = :id AND code <> '200' "
        "AND state IN ('pending', 'queued') GROUP BY code ORDER BY n DESC, code LIMIT :most"
    )
    rows = connection.execute(statement, {"id": batch_id, "most": most})
    return [(row[0], row[1], row[2] or "") for row in rows]


def count_dead_by_code(
    connection: Connection, batch_id: int, *, only_canary: bool = False
) -> list[tuple[str, int, str]]:
    """Return (code, how many, one message) of a batch's dead and held jobs, most frequent first.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        only_canary: Only those of its canary.
    """
    statement = text(
        "SELECT code, count(*) AS n, min(message) FROM jobs WHERE batch_id = :id AND state IN ('dead', 'held') "
        "AND (is_canary OR NOT :only_canary) GROUP BY code ORDER BY n DESC, code"
    )
    rows = connection.execute(statement, {"id": batch_id, "only_canary": only_canary})
    return [(row[0] or "", int(row[1]), row[2] or "") for row in rows]


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A photo that waits for a person."""

    job_id: int
    name: str
    code: str | None
    message: str | None
    has_output: bool


def list_held(connection: Connection, batch_id: int, limit: int) -> list[HeldRow]:
    """Return the first held photos of a batch."""
    statement = text(
        "SELECT id, name, code, message, artifact_sha256 IS NOT NULL FROM jobs "
        "WHERE batch_id = :id AND state = 'held' ORDER BY id LIMIT :limit"
    )
    return [HeldRow(*row) for row in connection.execute(statement, {"id": batch_id, "limit": limit})]


@dataclass(frozen=True, slots=True)
class CanaryCounts:
    """How the photos that went first came out."""

    total: int
    succeeded: int
    dead: int
    held: int


def count_canary(connection: Connection, batch_id: int) -> CanaryCounts:
    """Return how a batch's canary stands."""
    statement = text(
        "SELECT count(*), count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'dead'), "
        "count(*) FILTER (WHERE state = 'held') FROM jobs WHERE batch_id = :id AND is_canary"
    )
    return CanaryCounts(*connection.execute(statement, {"id": batch_id}).one())


@dataclass(frozen=True, slots=True)
class CircuitRow:
    """An open circuit as people are told of it."""

    reason: str
    code: str
    message: str
    opened_at: datetime
    last_failed_at: datetime
    next_probe_at: datetime
    failed_probes: int


def find_circuit(connection: Connection, account: str) -> CircuitRow | None:
    """Return the account's open circuit, or None when it may be called."""
    statement = text(
        "SELECT reason, code, message, opened_at, last_failed_at, next_probe_at, failed_probes FROM circuits "
        "WHERE account = :account AND is_open"
    )
    row = connection.execute(statement, {"account": account}).one_or_none()
    return CircuitRow(*row) if row else None


def calls_today(connection: Connection, account: str) -> int:
    """Return how many calls of an account count for today's limit (UTC)."""
    statement = text(
        "SELECT calls FROM daily_calls WHERE account = :account AND day = CAST(now() AT TIME ZONE 'UTC' AS date)"
    )
    return int(connection.execute(statement, {"account": account}).scalar_one_or_none() or 0)


@dataclass(frozen=True, slots=True)
class Known:
    """What a photo came to before."""

    state: str
    code: str | None


def find_items(connection: Connection, batch_id: int, keys: list[str]) -> dict[str, Known]:
    """Return what a batch's items came to, by item key; those that still have something to run are left out."""
    statement = text(
        "SELECT item_key, state, code FROM jobs WHERE batch_id = :id AND item_key = ANY(:keys) "
        "AND state NOT IN ('pending', 'queued', 'running')"
    )
    rows = connection.execute(statement, {"id": batch_id, "keys": keys})
    return {row.item_key: Known(row.state, row.code) for row in rows}


def find_contents(connection: Connection, keys: list[str], only_batch: int | None) -> dict[str, Known]:
    """Return what photos came to before, by content key, as far as that makes a call needless.

    Args:
        connection: An open transaction.
        keys: Content keys.
        only_batch: Look at this batch alone (0: at none), for photos that are to be paid for again.
    """
    statement = text(
        "SELECT DISTINCT ON (content_key) content_key, state, code FROM jobs AS j WHERE content_key = ANY(:keys) "
        "AND (CAST(:batch AS bigint) IS NULL OR batch_id = :batch) AND (state IN ('succeeded', 'held') "
        "OR (state = 'dead' AND (code = 'rejected' OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.job_id = j.id "
        "AND a.code = j.code AND a.answer_class = 'permanent')))) "
        "ORDER BY content_key, state = 'succeeded' DESC, state = 'held' DESC"
    )
    rows = connection.execute(statement, {"keys": keys, "batch": only_batch})
    return {row.content_key: Known(row.state, row.code) for row in rows}


@dataclass(frozen=True, slots=True)
class CleanedUrl:
    """What was behind a URL when it was cleaned; fetched at `since` or later."""

    url: str
    sha256: str
    content_key: str
    since: datetime


def find_cleaned_urls(connection: Connection, urls: list[str], only_batch: int | None) -> list[CleanedUrl]:
    """Return what was cleaned from these URLs before.

    Args:
        connection: An open transaction.
        urls: As jobs were handed in with.
        only_batch: As for `find_contents`.
    """
    statement = text(
        "SELECT source_uri, source_sha256, content_key, max(coalesce(started_at, created_at)) FROM jobs "
        "WHERE source_uri = ANY(:urls) "
        "AND state = 'succeeded' AND content_key IS NOT NULL "
        "AND (CAST(:batch AS bigint) IS NULL OR batch_id = :batch) GROUP BY source_uri, source_sha256, content_key"
    )
    return [CleanedUrl(*row) for row in connection.execute(statement, {"urls": urls, "batch": only_batch})]


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """A URL whose photo is clean, and the output."""

    url: str
    sha256: str
    format: str


def find_clean(connection: Connection, batch_id: int, urls: list[str]) -> list[CleanPhoto]:
    """Return the outputs of a batch's photos, by the URLs they were handed in with."""
    statement = text(
        "SELECT j.source_uri, f.sha256, f.format FROM jobs AS j JOIN artifacts AS f ON f.sha256 = j.artifact_sha256 "
        "WHERE j.source_uri = ANY(:urls) AND j.state = 'succeeded' AND j.batch_id = :id ORDER BY j.id DESC"
    )
    return [CleanPhoto(*row) for row in connection.execute(statement, {"id": batch_id, "urls": urls})]


def find_clean_items(connection: Connection, batch_id: int, keys: list[str]) -> dict[str, CleanPhoto]:
    """Return the outputs of a batch's photos, by what makes each the same item when it is handed in again."""
    statement = text(
        "SELECT j.item_key, j.source_uri, f.sha256, f.format FROM jobs AS j "
        "JOIN artifacts AS f ON f.sha256 = j.artifact_sha256 "
        "WHERE j.batch_id = :id AND j.item_key = ANY(:keys) AND j.state = 'succeeded'"
    )
    rows = connection.execute(statement, {"id": batch_id, "keys": keys})
    return {row.item_key: CleanPhoto(*row[1:]) for row in rows}


@dataclass(frozen=True, slots=True)
class FailedPhoto:
    """A photo that is dead, held or cancelled."""

    job_id: int
    source_uri: str
    sku: str | None
    state: str
    code: str | None
    message: str | None
    elements: list[int]
    subject_elements: list[int]
    mask: str | None


def list_failed(connection: Connection, batch_id: int, after: int) -> list[FailedPhoto]:
    """Return the next page of a batch's photos that did not make it, in the order they came in.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        after: The last job id of the page before; 0 for the first page.
    """
    statement = text(
        "SELECT id, source_uri, sku, state, code, message, elements, subject_elements, mask FROM jobs "
        "WHERE batch_id = :id AND state IN ('dead', 'held', 'cancelled') AND id > :after ORDER BY id LIMIT :page"
    )
    rows = connection.execute(statement, {"id": batch_id, "after": after, "page": PAGE})
    return [FailedPhoto(*row) for row in rows]
