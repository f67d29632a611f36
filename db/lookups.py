"""Queries about products whose photos a shop's API is still to be asked for."""

from dataclasses import dataclass

from sqlalchemy import Connection

from db.connections import ShopConnection
from db.statements import text

LEASE_SECONDS = 60.0
PATIENCE_SECONDS = 86_400.0
FIRST_DELAY_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Lookup:
    """A product to ask about.

    Args:
        id: Its number here.
        product: Its number in the shop.
        tries: How often it was asked about before.
        shop: Whose API.
    """

    id: int
    product: str
    tries: int
    shop: ShopConnection


def note(connection: Connection, connection_id: int, product: str) -> None:
    """Ask about a product soon; once, however many webhooks of it wait."""
    statement = text(
        "INSERT INTO lookups (connection_id, product) SELECT :id, :product WHERE NOT EXISTS "
        "(SELECT 1 FROM lookups WHERE connection_id = :id AND product = :product AND ended_at IS NULL AND tries = 0)"
    )
    connection.execute(statement, {"id": connection_id, "product": product})


def take_due(connection: Connection, most: int) -> list[Lookup]:
    """Lease products that are due to be asked about, oldest first."""
    statement = text(
        """
        WITH due AS (
            SELECT w.id FROM lookups AS w JOIN connections AS c ON c.id = w.connection_id AND c.closed_at IS NULL
            WHERE w.ended_at IS NULL AND w.available_at <= now()
            ORDER BY w.available_at, w.id LIMIT :most FOR UPDATE OF w SKIP LOCKED
        ), taken AS (
            UPDATE lookups AS l SET available_at = now() + make_interval(secs => :lease), tries = tries + 1
            FROM due WHERE l.id = due.id RETURNING l.id, l.connection_id, l.product, l.tries
        )
        SELECT t.id AS lookup_id, t.product, t.tries - 1 AS tries,
               c.id, c.slug, c.platform, c.shop, c.secrets, c.options
        FROM taken AS t JOIN connections AS c ON c.id = t.connection_id ORDER BY t.id
        """
    )
    return [
        Lookup(row.lookup_id, row.product, row.tries, ShopConnection(*row[3:]))
        for row in connection.execute(statement, {"most": most, "lease": LEASE_SECONDS})
    ]


def note_answered(connection: Connection, lookup_id: int) -> None:
    """Write down that the shop's API answered."""
    connection.execute(text("UPDATE lookups SET ended_at = now(), last_error = NULL WHERE id = :id"), {"id": lookup_id})


def note_failed(connection: Connection, lookup_id: int, *, tries: int, why: str) -> None:
    """Let it be asked again later, for a day."""
    statement = text(
        "UPDATE lookups SET last_error = :why, available_at = now() + make_interval(secs => :delay), "
        "ended_at = CASE WHEN created_at < now() - make_interval(secs => :patience) THEN now() END WHERE id = :id"
    )
    delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 3 ** min(tries, 20))
    connection.execute(statement, {"id": lookup_id, "why": why[:500], "delay": delay, "patience": PATIENCE_SECONDS})
