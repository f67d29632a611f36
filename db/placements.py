"""Queries about where bytes are, and writing down that they are elsewhere now."""

from dataclasses import dataclass

from sqlalchemy import Connection

from db.statements import text
from db.sweeping import Uploaded, hold_place, must_stand

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


def place(connection: Connection, placed: Placed, uploaded: Uploaded, data: bytes) -> bool:
    """Write down that an output's bytes are elsewhere now; return whether they still were where they were.

    Raises:
        StoreUnavailable: They were swept there meanwhile and have to be uploaded again.
    """
    hold_place(connection, uploaded)
    statement = text("UPDATE artifacts SET uri = :after WHERE sha256 = :sha256 AND uri = :before")
    after = uploaded.uri or f"postgres:{placed.sha256}"
    values = {"sha256": placed.sha256, "before": placed.uri, "after": after}
    if connection.execute(statement, values).rowcount == 0:
        return False
    if uploaded.uri:
        must_stand(connection, uploaded)
        connection.execute(text("DELETE FROM artifact_bytes WHERE sha256 = :sha256"), {"sha256": placed.sha256})
    else:
        insert = text("INSERT INTO artifact_bytes (sha256, data) VALUES (:sha256, :data) ON CONFLICT DO NOTHING")
        connection.execute(insert, {"sha256": placed.sha256, "data": data})
    return True
