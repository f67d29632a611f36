"""Queries about photos that did not make it, and about what stands in the way of those that wait."""

from dataclasses import dataclass

from sqlalchemy import Connection

from db import requeues
from db.live import queued_of
from db.plans import by_key, row
from db.statements import text

PAGE = 500
MOST_GROUPED = 10_000
"""Dead, and held, photos of a batch that are looked at to group them; a page must come at once at any size."""


def count_waiting_by_code(connection: Connection, batch_id: int, most: int) -> list[tuple[str, int, str]]:
    """Return (code, how many, one message) of what a batch's waiting jobs met the last time, most frequent first.

    Those that wait are looked at from the one that is due last, 10,000 at most: who was tried is due later than who was
    not.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        most: How many codes.
    """
    by_key(connection)
    statement = text(
        "SELECT code, count(*) AS n, min(message) FROM ((SELECT id, code, message FROM jobs "  # noqa: S608
        "WHERE batch_id = :id AND state = 'pending' ORDER BY available_at DESC, id DESC LIMIT :look) UNION "
        f"SELECT j.id, j.code, j.message FROM {queued_of(':id')} AS q CROSS JOIN LATERAL "
        f"({row('*', 'jobs', 'q.job_id')}) AS j) AS waiting "
        "WHERE code <> '200' GROUP BY code ORDER BY n DESC, code LIMIT :most"
    )
    rows = connection.execute(statement, {"id": batch_id, "most": most, "look": MOST_GROUPED})
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
class FailureGroup:
    """Photos of a batch that ended alike: with one code, and messages that differ in numbers only.

    Args:
        state: `dead` or `held`.
        code: What they ended with.
        message: What people are told of one of them.
        count: How many of those that were looked at.
        is_part: Whether there are more dead, or held, photos than were looked at, so that more may belong here.
    """

    state: str
    code: str
    message: str
    count: int
    is_part: bool


def group_failures(connection: Connection, batch_id: int, most: int) -> list[FailureGroup]:
    """Return how a batch's dead and held photos group, the largest groups first.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        most: How many groups.
    """
    # With `=`, the planner may take an index over held photos of all batches.
    looked_at = " UNION ALL ".join(
        "(SELECT state, coalesce(code, '') AS code, coalesce(message, '') AS message FROM jobs "  # noqa: S608
        f"WHERE batch_id = :id AND state BETWEEN {state} AND {state} LIMIT :look)"
        for state in ("'dead'", "'held'")
    )
    shape = requeues.shape_of("message")
    statement = text(
        "SELECT state, code, min(message) AS message, count(*) AS n, "  # noqa: S608
        f"sum(count(*)) OVER (PARTITION BY state) >= :look FROM ({looked_at}) AS ended "
        f"GROUP BY state, code, {shape} ORDER BY n DESC, code, message LIMIT :most"
    )
    rows = connection.execute(statement, {"id": batch_id, "look": MOST_GROUPED, "most": most})
    return [FailureGroup(*row) for row in rows]


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
