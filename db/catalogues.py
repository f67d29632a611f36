"""Queries about catalogues that came as bytes, kept so that the same file can go out again with new URLs."""

from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from sqlalchemy import Connection, Engine

from core.errors import NotFound
from db.session import transact
from db.statements import text

PART_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class KeptCatalogue:
    """A file that is kept.

    Args:
        name: As it was called.
        size_bytes: Of it.
    """

    name: str
    size_bytes: int


def keep(connection: Connection, batch_id: int, *, name: str, data: bytes) -> None:
    """Keep the file that a batch was made from; a batch that goes on has it already."""
    statement = text(
        "INSERT INTO catalogues (batch_id, name, data) VALUES (:id, :name, :data) ON CONFLICT (batch_id) DO NOTHING"
    )
    connection.execute(statement, {"id": batch_id, "name": name, "data": data})


def find(connection: Connection, batch_id: int) -> KeptCatalogue | None:
    """Return what is kept of a batch's file; None when it came from elsewhere."""
    statement = text("SELECT name, octet_length(data) FROM catalogues WHERE batch_id = :id")
    row = connection.execute(statement, {"id": batch_id}).one_or_none()
    return KeptCatalogue(*row) if row else None


def copy(engine: Engine, batch_id: int, file: BinaryIO) -> None:
    """Write a batch's file into another, a part at a time.

    Raises:
        NotFound: It is not kept, or not any more.
    """
    statement = text("SELECT substring(data FROM :first FOR :count) FROM catalogues WHERE batch_id = :id")

    def read(connection: Connection, first: int) -> bytes | None:
        values = {"id": batch_id, "first": first, "count": PART_BYTES}
        return connection.execute(statement, values).scalar_one_or_none()

    at = 1
    while part := transact(engine, partial(read, first=at)):
        file.write(part)
        at += len(part)
    if at == 1:
        raise NotFound(f"The catalogue of batch {batch_id} is not kept.")
