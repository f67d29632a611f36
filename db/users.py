"""Queries about people who use the console, and the browsers they are signed in with; secrets are kept as hashes."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from db.statements import text

LINK_SECONDS = 900.0
LONGEST_NAME = 100
LONGEST_SESSION_SECONDS = 30 * 86_400.0
SEEN_EVERY_SECONDS = 60.0


class Role(StrEnum):
    """What a person may do; each may do all that the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether whoever has this role may do what takes the other one."""
        roles = list(Role)
        return roles.index(self) >= roles.index(other)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person who may sign in; `form_key` tells forms that came from us from those that did not."""

    id: int
    name: str
    role: Role
    has_password: bool
    form_key: str = field(repr=False)
    created_at: datetime
    last_seen_at: datetime | None


_USER = (
    "SELECT u.id, u.name, u.role, u.password_hash IS NOT NULL, u.form_key, u.created_at, "
    "(SELECT max(seen_at) FROM user_sessions AS s WHERE s.user_id = u.id) FROM users AS u "
)


def add(connection: Connection, name: str, role: Role, password_hash: str | None) -> UserRow | None:
    """Let a person in, also one who was shut out before; return them, or None when there is one of this name."""
    statement = text(
        "INSERT INTO users (name, role, password_hash) VALUES (:name, :role, :hash) ON CONFLICT (name) DO UPDATE "
        "SET role = :role, password_hash = :hash, closed_at = NULL, created_at = now() "
        "WHERE users.closed_at IS NOT NULL RETURNING id"
    )
    values = {"name": name, "role": role.value, "hash": password_hash}
    if connection.execute(statement, values).one_or_none() is None:
        return None
    return find(connection, name)


def find(connection: Connection, name: str) -> UserRow | None:
    """Return the person of this name, or None."""
    row = connection.execute(text(_USER + "WHERE u.name = :name AND closed_at IS NULL"), {"name": name}).one_or_none()
    return _user(row) if row else None


def list_all(connection: Connection) -> list[UserRow]:
    """Return everybody who may sign in, by name."""
    return [_user(row) for row in connection.execute(text(_USER + "WHERE closed_at IS NULL ORDER BY u.name"))]


def password_hash(connection: Connection, name: str) -> str | None:
    """Return the hash of a person's password, or None."""
    statement = text("SELECT password_hash FROM users WHERE name = :name AND closed_at IS NULL")
    return connection.execute(statement, {"name": name}).scalar_one_or_none()


def set_password(connection: Connection, name: str, hashed: str) -> bool:
    """Change a password, which signs the person out everywhere. Return whether there is such a person."""
    statement = text("UPDATE users SET password_hash = :hash WHERE name = :name AND closed_at IS NULL RETURNING id")
    user_id = connection.execute(statement, {"name": name, "hash": hashed}).scalar_one_or_none()
    if user_id is not None:
        _sign_out_everywhere(connection, user_id)
    return user_id is not None


def rehash_password(connection: Connection, name: str, hashed: str) -> None:
    """Keep the same password under a newer hash."""
    statement = text("UPDATE users SET password_hash = :hash WHERE name = :name")
    connection.execute(statement, {"name": name, "hash": hashed})


def set_role(connection: Connection, name: str, role: Role) -> bool:
    """Change what a person may do, from their next request on. Return whether there is such a person."""
    statement = text("UPDATE users SET role = :role WHERE name = :name AND closed_at IS NULL")
    return connection.execute(statement, {"name": name, "role": role.value}).rowcount == 1


def remove(connection: Connection, name: str) -> bool:
    """Shut a person out, everywhere and at once. Return whether there was such a person."""
    statement = text(
        "UPDATE users SET closed_at = now(), password_hash = NULL WHERE name = :name AND closed_at IS NULL RETURNING id"
    )
    user_id = connection.execute(statement, {"name": name}).scalar_one_or_none()
    if user_id is not None:
        _sign_out_everywhere(connection, user_id)
    return user_id is not None


def open_session(connection: Connection, user_id: int) -> str:
    """Sign a browser in; return what its cookie holds, which is nowhere else."""
    made = secrets.token_urlsafe(32)
    statement = text("INSERT INTO user_sessions (hash, user_id) VALUES (:hash, :user)")
    connection.execute(statement, {"hash": _hash(made), "user": user_id})
    return made


def flaw_of_name(name: str) -> str | None:
    """Return what is wrong with the name of somebody new, or None."""
    # Names stand in addresses, where dots alone are a way up.
    if not name.strip(". ") or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name:
        return f"A name has 1 to {LONGEST_NAME} characters, not dots alone, and no slash."
    return None


def find_session(connection: Connection, cookie: str, idle_seconds: float) -> UserRow | None:
    """Return whose browser it is, and note that it was seen; None when it is not signed in any more.

    Args:
        connection: An open transaction.
        cookie: What `open_session` returned.
        idle_seconds: How long a browser stays signed in without being seen.
    """
    row = connection.execute(
        text(
            _USER + "JOIN user_sessions AS s ON s.user_id = u.id WHERE s.hash = :hash AND u.closed_at IS NULL "
            "AND s.seen_at > now() - make_interval(secs => :idle) "
            "AND s.created_at > now() - make_interval(secs => :longest)"
        ),
        {"hash": _hash(cookie), "idle": idle_seconds, "longest": LONGEST_SESSION_SECONDS},
    ).one_or_none()
    if row is None:
        return None
    seen = text(
        "UPDATE user_sessions SET seen_at = now() WHERE hash = :hash "
        "AND seen_at < now() - make_interval(secs => :every)"
    )
    connection.execute(seen, {"hash": _hash(cookie), "every": min(SEEN_EVERY_SECONDS, idle_seconds / 4)})
    return _user(row)


def close_session(connection: Connection, cookie: str) -> None:
    """Sign a browser out."""
    connection.execute(text("DELETE FROM user_sessions WHERE hash = :hash"), {"hash": _hash(cookie)})


def make_link(connection: Connection, user_id: int, seconds: float = LINK_SECONDS) -> str:
    """Return what a link holds that signs a person in, once, within so many seconds."""
    made = secrets.token_urlsafe(24)
    statement = text(
        "INSERT INTO sign_in_links (hash, user_id, expires_at) VALUES (:hash, :user, "
        "now() + make_interval(secs => :seconds))"
    )
    connection.execute(statement, {"hash": _hash(made), "user": user_id, "seconds": seconds})
    return made


def use_link(connection: Connection, told: str) -> UserRow | None:
    """Use a link up and return whom it signs in; None when it was used before or is too old."""
    statement = text("DELETE FROM sign_in_links WHERE hash = :hash RETURNING user_id, expires_at > now() AS is_good")
    row = connection.execute(statement, {"hash": _hash(told)}).one_or_none()
    if row is None or not row.is_good:
        return None
    found = connection.execute(
        text(_USER + "WHERE u.id = :id AND closed_at IS NULL"), {"id": row.user_id}
    ).one_or_none()
    return _user(found) if found else None


def forget_old(connection: Connection) -> int:
    """Forget sessions and links that nobody can use any more; return how many."""
    sessions = text("DELETE FROM user_sessions WHERE seen_at < now() - make_interval(secs => :longest)")
    links = text("DELETE FROM sign_in_links WHERE expires_at < now()")
    return (
        connection.execute(sessions, {"longest": LONGEST_SESSION_SECONDS}).rowcount + connection.execute(links).rowcount
    )


def _sign_out_everywhere(connection: Connection, user_id: int) -> None:
    for table in ("user_sessions", "sign_in_links"):
        connection.execute(text(f"DELETE FROM {table} WHERE user_id = :id"), {"id": user_id})  # noqa: S608


def _user(row: Any) -> UserRow:
    return UserRow(row[0], row[1], Role(row[2]), *row[3:])


def _hash(told: str) -> str:
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
