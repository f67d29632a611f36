"""Queries about requests that must take effect once, however often they come."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from db import locks
from db.locks import Space
from db.statements import text

KEPT_HOURS = 48


@dataclass(frozen=True, slots=True)
class Kept:
    """What a request came to the first time.

    Args:
        request_hash: Of what was asked.
        status: The answer's.
        body: The answer's JSON.
    """

    request_hash: str
    status: int
    body: Any


def find(connection: Connection, token_id: int, key: str) -> Kept | None:
    """Return what a request with this key came to, or None; until the transaction ends no other can begin."""
    locks.hold(connection, Space.REQUEST, f"{token_id} {key}")
    statement = text(
        "SELECT request_hash, status, body FROM idempotency_keys WHERE token_id = :token AND key = :key "
        "AND created_at > now() - make_interval(hours => :hours)"
    )
    row = connection.execute(statement, {"token": token_id, "key": key, "hours": KEPT_HOURS}).one_or_none()
    return Kept(*row) if row else None


def keep(connection: Connection, token_id: int, key: str, kept: Kept) -> None:
    """Remember what a request came to."""
    statement = text(
        "INSERT INTO idempotency_keys (token_id, key, request_hash, status, body) "
        "VALUES (:token, :key, :hash, :status, CAST(:body AS jsonb)) ON CONFLICT (token_id, key) DO UPDATE SET "
        "request_hash = excluded.request_hash, status = excluded.status, body = excluded.body, created_at = now()"
    )
    values = {
        "token": token_id,
        "key": key,
        "hash": kept.request_hash,
        "status": kept.status,
        "body": json.dumps(kept.body),
    }
    connection.execute(statement, values)


def forget_old(connection: Connection) -> int:
    """Forget requests that are too old to come again; return how many."""
    statement = text("DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => :hours)")
    return connection.execute(statement, {"hours": KEPT_HOURS}).rowcount
