"""Queries about small pictures that were made when somebody looked; each can be made again."""

from sqlalchemy import Connection

from db.statements import text

KEPT_SECONDS = 30 * 86_400.0


def find(connection: Connection, sha256: str, side: int) -> bytes | None:
    """Return the small picture of a photo or an output, or None.

    Args:
        connection: An open transaction.
        sha256: Of the photo.
        side: The longest side, pixels.
    """
    statement = text("SELECT data FROM previews WHERE sha256 = :sha256 AND side = :side")
    data = connection.execute(statement, {"sha256": sha256, "side": side}).scalar_one_or_none()
    return None if data is None else bytes(data)


def keep(connection: Connection, sha256: str, side: int, data: bytes) -> None:
    """Keep a small picture."""
    statement = text("INSERT INTO previews (sha256, side, data) VALUES (:sha256, :side, :data) ON CONFLICT DO NOTHING")
    connection.execute(statement, {"sha256": sha256, "side": side, "data": data})


def forget_old(connection: Connection) -> int:
    """Forget what was made a month ago; return how many."""
    statement = text("DELETE FROM previews WHERE created_at < now() - make_interval(secs => :kept)")
    return connection.execute(statement, {"kept": KEPT_SECONDS}).rowcount
