"""Who may send a body at all, which is asked before it is read."""

from collections.abc import Callable

from fastapi import HTTPException, Request
from sqlalchemy import Engine

from console.pages.visitor import Guard, PageError
from console.webhooks import find_shop
from core.errors import DatabaseDown
from db import tokens
from db.session import transact

CHALLENGE = {"WWW-Authenticate": "Bearer"}


def senders(engine: Engine, guard: Guard) -> Callable[[Request], None]:
    """Return a function that raises HTTPException for a request of somebody who may not send a body."""

    def know(request: Request) -> None:
        path = request.url.path
        try:
            if path.startswith("/v1/"):
                _know_token(request)
            elif path.startswith("/webhooks/"):
                if find_shop(engine, path.removeprefix("/webhooks/")) is None:
                    raise HTTPException(404, "There is no such connection.")
            elif guard.find(request) is None:
                raise HTTPException(401, "Sign in first.")
        except PageError as error:
            raise HTTPException(error.status, error.message) from error
        except DatabaseDown as error:
            raise HTTPException(503, "The database does not answer; send it again.", {"Retry-After": "5"}) from error

    def _know_token(request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise HTTPException(401, "Send a token: Authorization: Bearer ….", CHALLENGE)
        if transact(engine, lambda connection: tokens.find(connection, token.strip())) is None:
            raise HTTPException(401, "The token is not valid.", CHALLENGE)

    return know
