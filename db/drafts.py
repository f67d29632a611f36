"""Queries about drafts: files that were dropped into the console and wait to be confirmed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from db.statements import text

KEPT_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class DraftRow:
    """What would become a batch.

    Args:
        id: Its name in URLs.
        name: Of the batch.
        kind: `photos`, or `catalogue` for one file that names photos.
        options: As they were told.
    """

    id: UUID
    name: str
    kind: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file as it was dropped."""

    name: str
    data: bytes


def create(
    connection: Connection,
    user_id: int,
    *,
    name: str,
    kind: str,
    options: dict[str, Any],
    files: Iterable[DroppedFile],
) -> UUID:
    """Keep files until somebody says yes; return the draft's id."""
    statement = text(
        "INSERT INTO drafts (user_id, name, kind, options) VALUES (:user, :name, :kind, CAST(:options AS jsonb)) "
        "RETURNING id"
    )
    values = {"user": user_id, "name": name, "kind": kind, "options": json.dumps(options)}
    draft_id: UUID = connection.execute(statement, values).scalar_one()
    into = text("INSERT INTO draft_files (draft_id, name, data) VALUES (:draft, :name, :data)")
    for file in files:
        connection.execute(into, {"draft": draft_id, "name": file.name, "data": file.data})
    return draft_id


def find(connection: Connection, draft_id: UUID, user_id: int) -> DraftRow | None:
    """Return a person's own draft, or None; locked until the transaction ends, so that two clicks make one batch."""
    statement = text("SELECT id, name, kind, options FROM drafts WHERE id = :id AND user_id = :user FOR UPDATE")
    row = connection.execute(statement, {"id": draft_id, "user": user_id}).one_or_none()
    return DraftRow(*row) if row else None


def list_files(connection: Connection, draft_id: UUID) -> list[DroppedFile]:
    """Return a draft's files in the order they were dropped."""
    statement = text("SELECT name, data FROM draft_files WHERE draft_id = :id ORDER BY id")
    return [DroppedFile(row.name, bytes(row.data)) for row in connection.execute(statement, {"id": draft_id})]


def remove(connection: Connection, draft_id: UUID) -> None:
    """Forget a draft and its files."""
    connection.execute(text("DELETE FROM drafts WHERE id = :id"), {"id": draft_id})


def forget_old(connection: Connection) -> int:
    """Forget drafts that nobody confirmed within a day; return how many."""
    statement = text("DELETE FROM drafts WHERE created_at < now() - make_interval(secs => :kept)")
    return connection.execute(statement, {"kept": KEPT_SECONDS}).rowcount
