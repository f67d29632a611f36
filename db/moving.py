"""Queries about where bytes are: moving them between stores, and finding those that nobody needs."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from db import locks
from db.locks import Space

PAGE = 100


@dataclass(frozen=True, slots=True)
class Placed:
    """An output and where its bytes are."""

    sha256: str
    uri: str
    format: str


def list_placed(connection: Connection, after: str) -> list[Placed]:
    """Return the next page of outputs, by hash.

    Args:
        connection: An open transaction.
        after: The last hash of the page before; empty for the first page.
    """
    statement = text("SELECT sha256, uri, format FROM artifacts WHERE sha256 > :after ORDER BY sha256 LIMIT :page")
    return [Placed(*row) for row in connection.execute(statement, {"after": after, "page": PAGE})]


def place(connection: Connection, sha256: str, *, before: str, after: str, data: bytes) -> bool:
    """Write down that an output's bytes are elsewhere now; return whether they still were where they were."""
    into_database = not after
    statement = text("UPDATE artifacts SET uri = :after WHERE sha256 = :sha256 AND uri = :before")
    values = {"sha256": sha256, "before": before, "after": after or f"postgres:{sha256}"}
    if connection.execute(statement, values).rowcount == 0:
        return False
    if into_database:
        insert = text("INSERT INTO artifact_bytes (sha256, data) VALUES (:sha256, :data) ON CONFLICT DO NOTHING")
        connection.execute(insert, {"sha256": sha256, "data": data})
    else:
        connection.execute(text("DELETE FROM artifact_bytes WHERE sha256 = :sha256"), {"sha256": sha256})
    return True


def take_unused(connection: Connection, uris: list[str]) -> list[str]:
    """Return which of these places hold no output's bytes; until the transaction ends none can come to hold one.

    What ends a job with bytes that it put there before has to ask `was_swept`.
    """
    locks.hold_all(connection, Space.PLACE, uris)
    used = set(connection.execute(text("SELECT uri FROM artifacts WHERE uri = ANY(:uris)"), {"uris": uris}).scalars())
    unused = [uri for uri in uris if uri not in used]
    statement = text(
        "INSERT INTO swept_objects (uri, swept_at) SELECT unnest(CAST(:uris AS text[])), clock_timestamp() "
        "ON CONFLICT (uri) DO UPDATE SET swept_at = excluded.swept_at"
    )
    connection.execute(statement, {"uris": unused})
    return unused


def was_swept(connection: Connection, uri: str, age_seconds: float) -> bool:
    """Return whether a place was swept in the last seconds; until the transaction ends it is not."""
    locks.share(connection, Space.PLACE, uri)
    statement = text(
        "SELECT 1 FROM swept_objects WHERE uri = :uri AND swept_at > clock_timestamp() - make_interval(secs => :age)"
    )
    return connection.execute(statement, {"uri": uri, "age": age_seconds}).one_or_none() is not None
