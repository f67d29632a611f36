"""Queries about photos that were handed in as bytes."""

import hashlib

from sqlalchemy import Connection

from db.statements import text

SCHEME = "upload:"


def keep(connection: Connection, data: bytes) -> str:
    """Keep a photo, once per content, and return the URI that jobs name it by."""
    sha256 = hashlib.sha256(data).hexdigest()
    statement = text("INSERT INTO uploads (sha256, data) VALUES (:sha256, :data) ON CONFLICT (sha256) DO NOTHING")
    connection.execute(statement, {"sha256": sha256, "data": data})
    return f"{SCHEME}{sha256}"


def find(connection: Connection, uri: str) -> bytes | None:
    """Return an uploaded photo's bytes, or None."""
    statement = text("SELECT data FROM uploads WHERE sha256 = :sha256")
    data = connection.execute(statement, {"sha256": uri.removeprefix(SCHEME)}).scalar_one_or_none()
    return None if data is None else bytes(data)
