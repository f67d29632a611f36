"""What people see of clean photos that go back into shops, and what they ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.plans import by_key
from db.statements import text

MOST_COUNTED = 10_000
STATES = ("expected", "clean", "due", "written", "skipped", "failed", "restoring", "restored")


@dataclass(frozen=True, slots=True)
class ShownWriteback:
    """A photo of a shop, for people.

    Args:
        id: Its number here.
        job_id: The photo.
        name: What it is called.
        sku: The product's number, if told.
        product: The shop's own name for the product.
        state: How far it is.
        tries: How often it was tried.
        last_error: Why not, if not.
        changed_at: When that was.
        has_original: Whether the original is kept.
    """

    id: int
    job_id: int
    name: str
    sku: str | None
    product: str
    state: str
    tries: int
    last_error: str | None
    changed_at: datetime
    has_original: bool


def list_some(
    connection: Connection, connection_id: int, state: str, *, after: int = 0, limit: int = 48
) -> list[ShownWriteback]:
    """Return photos of a shop that are in a state, oldest first."""
    by_key(connection)
    statement = text(
        "SELECT w.id, w.job_id, j.name, j.sku, w.product, w.state, w.tries, w.last_error, "
        "w.changed_at, w.original_sha256 IS NOT NULL "
        "FROM (SELECT * FROM writebacks WHERE connection_id = :id AND state = :state AND id > :after "
        "ORDER BY connection_id, state, id LIMIT :limit) AS w "
        "CROSS JOIN LATERAL (SELECT name, sku FROM jobs WHERE id = w.job_id OFFSET 0) AS j ORDER BY w.id"
    )
    values = {"id": connection_id, "state": state, "after": after, "limit": limit}
    return [ShownWriteback(*row) for row in connection.execute(statement, values)]


def list_ended(connection: Connection, connection_id: int, limit: int = 20) -> list[ShownWriteback]:
    """Return what was put into a shop last, or could not be, newest first."""
    by_key(connection)
    statement = text(
        "SELECT w.id, w.job_id, j.name, j.sku, w.product, w.state, w.tries, w.last_error, "
        "w.changed_at, w.original_sha256 IS NOT NULL "
        "FROM (SELECT * FROM writebacks WHERE connection_id BETWEEN :id AND :id "
        "AND state IN ('written', 'skipped', 'failed', 'restored') "
        "ORDER BY connection_id DESC, changed_at DESC LIMIT :limit) AS w "
        "CROSS JOIN LATERAL (SELECT name, sku FROM jobs WHERE id = w.job_id OFFSET 0) AS j ORDER BY w.changed_at DESC"
    )
    return [ShownWriteback(*row) for row in connection.execute(statement, {"id": connection_id, "limit": limit})]


def count_each(connection: Connection, connection_id: int) -> dict[str, int]:
    """Return how many photos of a shop are in each state, 10,000 at most of each."""
    by_key(connection)
    statement = text(
        "SELECT s.state, (SELECT count(*) FROM (SELECT 1 FROM writebacks WHERE connection_id = :id "
        "AND state = s.state LIMIT :most) AS first) FROM unnest(CAST(:states AS text[])) AS s (state)"
    )
    values = {"id": connection_id, "states": list(STATES), "most": MOST_COUNTED}
    return {row[0]: row[1] for row in connection.execute(statement, values)}


def move(
    connection: Connection,
    connection_id: int,
    *,
    before: Sequence[str],
    after: str,
    ids: Sequence[int] | None = None,
    only_kept: bool = False,
) -> int:
    """Let photos of a shop go on, and return how many: 10,000 at most at once.

    Args:
        connection: An open transaction.
        connection_id: Which shop.
        before: The states that they may be in.
        after: `due` or `restoring`.
        ids: Only these.
        only_kept: Only those of which the original is kept.
    """
    by_key(connection)
    statement = text(
        "UPDATE writebacks SET state = :after, tries = 0, last_error = NULL, available_at = now(), changed_at = now() "
        "WHERE id = ANY(ARRAY(SELECT id FROM writebacks WHERE connection_id = :id AND state = ANY(:before) "
        "AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids)) AND (NOT :kept OR original_sha256 IS NOT NULL) "
        "ORDER BY id LIMIT :most FOR UPDATE))"
    )
    values = {
        "id": connection_id,
        "before": list(before),
        "after": after,
        "ids": None if ids is None else list(ids),
        "kept": only_kept,
        "most": MOST_COUNTED,
    }
    return connection.execute(statement, values).rowcount


def pause(connection: Connection, connection_id: int, why: str) -> bool:
    """Write nothing into a shop for now; return whether it was not paused before."""
    statement = text(
        "UPDATE connections SET writing_paused = :why WHERE id = :id AND closed_at IS NULL AND writing_paused IS NULL"
    )
    return connection.execute(statement, {"id": connection_id, "why": why[:500]}).rowcount == 1


def resume(connection: Connection, connection_id: int) -> bool:
    """Go on writing into a shop; return whether it was paused."""
    statement = text(
        "UPDATE connections SET writing_paused = NULL "
        "WHERE id = :id AND closed_at IS NULL AND writing_paused IS NOT NULL"
    )
    return connection.execute(statement, {"id": connection_id}).rowcount == 1
