"""Queries about connections: shops whose webhooks are taken, and what they delivered."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from db.cancels import CANCELLED
from db.statements import text

REFUSED_EVERY_SECONDS = 10.0
SECRETS_AT_ONCE = 2
"""While a secret is changed, the old one is still valid."""

SHOP_COLUMNS = (
    *("id", "slug", "platform", "shop", "secrets", "options"),
    *("writeback", "sealed_token", "writing_paused", "api_calls", "api_points", "refused_at", "refused_why"),
)
WRITEBACKS = ("off", "ask", "auto")
"""Whether clean photos go back into a shop: not, at a person's word, or at once."""

_COLUMNS = ", ".join(SHOP_COLUMNS)


@dataclass(frozen=True, slots=True)
class ShopConnection:
    """A shop that sends webhooks.

    Args:
        id: Its number here.
        slug: What cannot be guessed in its URL.
        platform: How it signs and words them.
        shop: What people call it.
        secrets: Those that are valid, the newest first; never shown again.
        options: What holds for its photos.
        writeback: Whether clean photos go back into it: `off`, `ask` (a person) or `auto`.
        sealed_token: What its API is asked with, encrypted; never shown.
        writing_paused: Why nothing is written into it for now; `hand` when a person said so.
        api_calls: Requests to its API for that, so far.
        api_points: What they cost in the platform's own measure.
        refused_at: When a webhook was refused last.
        refused_why: Why it was.
    """

    id: int
    slug: str
    platform: str
    shop: str
    secrets: list[str]
    options: dict[str, Any]
    writeback: str = "off"
    sealed_token: str | None = field(default=None, repr=False)
    writing_paused: str | None = None
    api_calls: int = 0
    api_points: int = 0
    refused_at: datetime | None = None
    refused_why: str | None = None

    def __repr__(self) -> str:
        return f"ShopConnection(id={self.id}, platform={self.platform!r}, shop={self.shop!r})"


def create(
    connection: Connection,
    *,
    platform: str,
    shop: str,
    secret: str,
    options: dict[str, Any],
    writeback: str = "off",
    sealed_token: str | None = None,
) -> ShopConnection:
    """Insert a connection and return it."""
    statement = text(
        f"INSERT INTO connections (slug, platform, shop, secrets, options, writeback, sealed_token) "  # noqa: S608
        f"VALUES (:slug, :platform, :shop, ARRAY[:secret], CAST(:options AS jsonb), :writeback, :token) "
        f"RETURNING {_COLUMNS}"
    )
    values = {
        "slug": secrets.token_urlsafe(18),
        "platform": platform,
        "shop": shop,
        "secret": secret,
        "options": json.dumps(options),
        "writeback": writeback,
        "token": sealed_token,
    }
    return ShopConnection(*connection.execute(statement, values).one())


def find(connection: Connection, slug: str) -> ShopConnection | None:
    """Return the open connection behind a URL, or None."""
    statement = text(f"SELECT {_COLUMNS} FROM connections WHERE slug = :slug AND closed_at IS NULL")  # noqa: S608
    row = connection.execute(statement, {"slug": slug}).one_or_none()
    return ShopConnection(*row) if row else None


def find_open(connection: Connection, connection_id: int) -> ShopConnection | None:
    """Return an open connection by its number, or None."""
    statement = text(f"SELECT {_COLUMNS} FROM connections WHERE id = :id AND closed_at IS NULL")  # noqa: S608
    row = connection.execute(statement, {"id": connection_id}).one_or_none()
    return ShopConnection(*row) if row else None


def list_open(connection: Connection) -> list[ShopConnection]:
    """Return every connection that is open, oldest first."""
    statement = text(f"SELECT {_COLUMNS} FROM connections WHERE closed_at IS NULL ORDER BY id")  # noqa: S608
    return [ShopConnection(*row) for row in connection.execute(statement)]


def add_secret(connection: Connection, connection_id: int, secret: str) -> bool:
    """Make a secret valid, besides the one before it. Return whether there is such a connection."""
    statement = text(
        # The same one again must not push out the one before it.
        "UPDATE connections SET secrets = (ARRAY[:secret] || array_remove(secrets, :secret))[1:CAST(:most AS integer)] "
        "WHERE id = :id AND closed_at IS NULL"
    )
    values = {"id": connection_id, "secret": secret, "most": SECRETS_AT_ONCE}
    return connection.execute(statement, values).rowcount == 1


def keep_sealed(connection: Connection, connection_id: int, name: str, sealed: str, *, instead_of: str) -> None:
    """Keep a secret of a connection's options encrypted, and no longer as it is.

    Args:
        connection: An open transaction.
        connection_id: Whose.
        name: Of the option from now on.
        sealed: The secret, encrypted.
        instead_of: The option's name before.
    """
    statement = text(
        "UPDATE connections SET options = (options - :old) "
        "|| jsonb_build_object(CAST(:name AS text), CAST(:sealed AS text)) "
        "WHERE id = :id AND options ? :old"
    )
    connection.execute(statement, {"id": connection_id, "name": name, "sealed": sealed, "old": instead_of})


def set_writeback(connection: Connection, connection_id: int, mode: str) -> None:
    """Say whether clean photos go back into a shop."""
    statement = text("UPDATE connections SET writeback = :mode WHERE id = :id")
    connection.execute(statement, {"id": connection_id, "mode": mode})


def close(connection: Connection, connection_id: int) -> bool:
    """Take no webhooks of a connection any more. Return whether it was open."""
    statement = text("UPDATE connections SET closed_at = now() WHERE id = :id AND closed_at IS NULL")
    return connection.execute(statement, {"id": connection_id}).rowcount == 1


def note_delivery(connection: Connection, connection_id: int, *, key: str, topic: str, body: bytes) -> int | None:
    """Keep a webhook as it came; return its id, or None when it came before."""
    statement = text(
        "INSERT INTO deliveries (connection_id, key, topic, body) VALUES (:id, :key, :topic, :body) "
        "ON CONFLICT (connection_id, key) DO NOTHING RETURNING id"
    )
    values = {"id": connection_id, "key": key, "topic": topic, "body": body}
    return connection.execute(statement, values).scalar_one_or_none()


def note_refused(connection: Connection, connection_id: int, why: str) -> None:
    """Remember why a webhook was refused; of many that come close upon each other one is enough."""
    statement = text(
        "UPDATE connections SET refused_at = now(), refused_why = :why WHERE id = :id "
        "AND (refused_at IS NULL OR refused_at < now() - make_interval(secs => :every))"
    )
    connection.execute(statement, {"id": connection_id, "why": why[:500], "every": REFUSED_EVERY_SECONDS})


def note_jobs(connection: Connection, delivery_id: int, jobs: int) -> None:
    """Write down how many jobs a webhook made."""
    connection.execute(text("UPDATE deliveries SET jobs = :n WHERE id = :id"), {"id": delivery_id, "n": jobs})


def note_seen(connection: Connection, connection_id: int, keys: list[str]) -> set[str]:
    """Remember photos of a shop; return those that were not seen before, or whose job was cancelled since."""
    statement = text(
        "INSERT INTO seen_photos (connection_id, key) SELECT :id, unnest(CAST(:keys AS text[])) "  # noqa: S608
        "ON CONFLICT (connection_id, key) DO UPDATE SET seen_at = now() WHERE EXISTS (SELECT 1 FROM jobs AS j "
        f"JOIN batches AS b ON b.id = j.batch_id WHERE j.id = seen_photos.job_id AND {CANCELLED}) RETURNING key"
    )
    return set(connection.execute(statement, {"id": connection_id, "keys": sorted(set(keys))}).scalars())


def find_jobs(connection: Connection, connection_id: int, keys: list[str]) -> dict[str, int]:
    """Return the jobs of photos that a shop told of before, by what those are known by."""
    statement = text(
        "SELECT key, job_id FROM seen_photos WHERE connection_id = :id AND key = ANY(:keys) AND job_id IS NOT NULL"
    )
    return {row.key: row.job_id for row in connection.execute(statement, {"id": connection_id, "keys": keys})}


def note_job(connection: Connection, connection_id: int, key: str, job_id: int) -> None:
    """Remember which job a photo of a shop is."""
    statement = text("UPDATE seen_photos SET job_id = :job WHERE connection_id = :id AND key = :key")
    connection.execute(statement, {"id": connection_id, "key": key, "job": job_id})
