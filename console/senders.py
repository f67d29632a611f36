"""Who may send a body at all, and to this route; which is asked before it is read."""

from collections.abc import Callable, Iterator

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from console.api.access import check_scope
from console.pages.visitor import Guard, PageError
from console.webhooks import find_shop
from core.errors import DatabaseDown
from db import tokens
from db.session import transact
from db.tokens import Scope

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
                # Their role is asked before their form is: `Guard.acting`.
                raise HTTPException(401, "Sign in first.")
        except PageError as error:
            raise HTTPException(error.status, error.message) from error
        except DatabaseDown as error:
            raise HTTPException(503, "The database does not answer; send it again.", {"Retry-After": "5"}) from error

    def _know_token(request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise HTTPException(401, "Send a token: Authorization: Bearer ….", CHALLENGE)
        found = transact(engine, lambda connection: tokens.find(connection, token.strip()))
        if found is None:
            raise HTTPException(401, "The token is not valid.", CHALLENGE)
        for scope in _scopes(request):
            check_scope(found, scope)

    return know


def _scopes(request: Request) -> Iterator[Scope]:
    """Yield what the route asks for; it is chosen by then, and asks by itself only after it has read JSON or files."""
    route = request.scope.get("route")
    todo = [route.dependant] if isinstance(route, APIRoute) else []
    while todo:
        each = todo.pop()
        todo += each.dependencies
        if isinstance(scope := getattr(each.call, "scope", None), Scope):
            yield scope
