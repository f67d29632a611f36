"""POST with `Idempotency-Key`: the same request takes effect once and is answered the same."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Connection, Engine

from db import idempotency
from db.idempotency import Kept
from db.session import transact
from db.tokens import TokenRow

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same for the same request: it then takes effect once, however often it comes within 48 hours.",
        examples=["import-2026-11-23"],
    ),
]


def run_once(
    engine: Engine,
    token: TokenRow,
    key: str | None,
    asked: str,
    work: Callable[[Connection], BaseModel],
    *,
    status: int = 200,
) -> JSONResponse:
    """Do what a request asks in one transaction with the memory of it, and answer.

    Args:
        engine: The database.
        token: Who asks.
        key: The request's key; None to do it whenever it comes.
        asked: What tells this request from others with the same key.
        work: Does it; raising undoes everything.
        status: Of the answer.

    Raises:
        HTTPException: 409, when the key was used for another request.
    """

    def once(connection: Connection) -> tuple[int, Any]:
        if key is None:
            return status, work(connection).model_dump(mode="json")
        request_hash = hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()
        kept = idempotency.find(connection, token.id, key)
        if kept is not None and kept.request_hash != request_hash:
            raise HTTPException(409, "This Idempotency-Key was used for another request.")
        if kept is None:
            kept = Kept(request_hash, status, work(connection).model_dump(mode="json"))
            idempotency.keep(connection, token.id, key, kept)
        return kept.status, kept.body

    found, body = transact(engine, once)
    return JSONResponse(body, found)
