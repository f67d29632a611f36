"""Who may do what: bearer tokens with scopes."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from db import tokens
from db.session import transact
from db.tokens import Scope, TokenRow

_bearer = HTTPBearer(auto_error=False, description="A token made by `cleanplate token create`.")


def actor_of(token: TokenRow) -> str:
    """Return who acts with a token, as the audit log names them."""
    return f"token {token.name}"


def check_scope(token: TokenRow, scope: Scope) -> None:
    """Refuse a token that lacks a scope.

    Raises:
        HTTPException: 403.
    """
    if scope.value not in token.scopes:
        raise HTTPException(403, f"The token lacks the scope `{scope.value}`.")


def access(engine: Engine) -> Callable[[Scope], Callable[..., TokenRow]]:
    """Return a function that makes a dependency of a scope; it answers 401 without a token, 403 without the scope."""

    def require(scope: Scope) -> Callable[..., TokenRow]:
        def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> TokenRow:
            challenge = {"WWW-Authenticate": "Bearer"}
            if given is None:
                raise HTTPException(401, "Send a token: Authorization: Bearer ….", challenge)
            found = transact(engine, lambda connection: tokens.find(connection, given.credentials))
            if found is None:
                raise HTTPException(401, "The token is not valid.", challenge)
            check_scope(found, scope)
            return found

        # For whoever asks before there is a body to read.
        check.scope = scope  # type: ignore[attr-defined]
        return check

    return require
