"""What shops told us and were told last, for people."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.plans import by_key
from db.statements import text

NEWEST = 5_000
"""Of all shops together, of which those of one are picked: no index is kept for a page that few look at."""


@dataclass(frozen=True, slots=True)
class ShopEvent:
    """A webhook that came, or a callback that went.

    Args:
        id: Its number here.
        at: When.
        what: In the platform's words, or in ours.
        jobs: What it made; None for callbacks.
        tries: How often it was sent; None for webhooks.
        why: Why it was not taken, if it was not.
        is_over: Whether nothing more becomes of it.
        answered_at: When it was answered last.
        answer: What was answered, in words.
    """

    id: int
    at: datetime
    what: str
    jobs: int | None = None
    tries: int | None = None
    why: str | None = None
    is_over: bool = True
    answered_at: datetime | None = None
    answer: str | None = None


def list_webhooks(connection: Connection, connection_id: int, limit: int = 20) -> list[ShopEvent]:
    """Return the last webhooks of a shop, newest first."""
    by_key(connection)
    statement = text(
        "SELECT id, received_at, topic, jobs FROM (SELECT * FROM deliveries ORDER BY id DESC LIMIT :newest) AS d "
        "WHERE connection_id = :id ORDER BY id DESC LIMIT :limit"
    )
    values = {"id": connection_id, "newest": NEWEST, "limit": limit}
    return [
        ShopEvent(
            row.id,
            row.received_at,
            row.topic,
            row.jobs,
            answered_at=row.received_at,
            answer=f"HTTP 200, {row.jobs:,} new photo{'' if row.jobs == 1 else 's'} to clean",
        )
        for row in connection.execute(statement, values)
    ]


def find_webhook(connection: Connection, connection_id: int, delivery_id: int) -> tuple[str, bytes] | None:
    """Return topic and body of a webhook of a shop, or None."""
    statement = text("SELECT topic, body FROM deliveries WHERE id = :delivery AND connection_id = :id")
    row = connection.execute(statement, {"delivery": delivery_id, "id": connection_id}).one_or_none()
    return (row.topic, bytes(row.body)) if row else None


def list_callbacks(connection: Connection, connection_id: int, limit: int = 20) -> list[ShopEvent]:
    """Return what a shop was told last, newest first."""
    by_key(connection)
    statement = text(
        f"SELECT id, created_at, event, NULL, tries, last_error, ended_at IS NOT NULL, answered_at, answer "  # noqa: S608
        f"FROM (SELECT * FROM callbacks ORDER BY id DESC LIMIT :newest) AS c WHERE {_OF_SHOP} "
        "ORDER BY id DESC LIMIT :limit"
    )
    values = {"id": connection_id, "newest": NEWEST, "limit": limit}
    return [ShopEvent(*row) for row in connection.execute(statement, values)]


def tell_again(connection: Connection, connection_id: int, callback_id: int) -> bool:
    """Let a callback be sent anew, for a day; return whether there is such a one."""
    statement = text(
        "UPDATE callbacks AS c SET ended_at = NULL, available_at = now(), created_at = now(), tries = 0, "  # noqa: S608
        "last_error = NULL, answered_at = NULL, answer = NULL "
        f"WHERE id = :callback AND {_OF_SHOP}"
    )
    return connection.execute(statement, {"id": connection_id, "callback": callback_id}).rowcount == 1


_OF_SHOP = "(SELECT CAST(options ->> 'connection' AS bigint) FROM batches AS b WHERE b.id = c.batch_id) = :id"
