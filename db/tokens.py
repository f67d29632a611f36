"""Queries about bearer tokens of the REST API; only their hashes are kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from db.statements import text

PREFIX = "cp_"


class Scope(StrEnum):
    """What a token allows."""

    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token that is valid, without itself."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None


_COLUMNS = "id, name, scopes, created_at, last_used_at"


def create(connection: Connection, *, name: str, scopes: list[Scope]) -> tuple[TokenRow, str]:
    """Insert a token; return it with its text, which is nowhere else."""
    # 256 random bits cannot be guessed from their hash, so no slow hash is needed.
    made = PREFIX + secrets.token_urlsafe(32)
    statement = text(
        f"INSERT INTO tokens (name, hash, scopes) VALUES (:name, :hash, :scopes) RETURNING {_COLUMNS}"  # noqa: S608
    )
    values = {"name": name, "hash": _hash(made), "scopes": [scope.value for scope in scopes]}
    return TokenRow(*connection.execute(statement, values).one()), made


def find(connection: Connection, token: str) -> TokenRow | None:
    """Return the token that a request came with, and note that it was used; None when it is not valid."""
    statement = text(
        "UPDATE tokens SET last_used_at = now() WHERE hash = :hash AND revoked_at IS NULL "
        "AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')"
    )
    connection.execute(statement, {"hash": _hash(token)})
    found = text(f"SELECT {_COLUMNS} FROM tokens WHERE hash = :hash AND revoked_at IS NULL")  # noqa: S608
    row = connection.execute(found, {"hash": _hash(token)}).one_or_none()
    return TokenRow(*row) if row else None


def list_valid(connection: Connection) -> list[TokenRow]:
    """Return every token that is valid, oldest first."""
    statement = text(f"SELECT {_COLUMNS} FROM tokens WHERE revoked_at IS NULL ORDER BY id")  # noqa: S608
    return [TokenRow(*row) for row in connection.execute(statement)]


def revoke(connection: Connection, token_id: int) -> bool:
    """Make a token invalid. Return whether it was valid."""
    statement = text("UPDATE tokens SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL")
    return connection.execute(statement, {"id": token_id}).rowcount == 1


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
