"""`/tokens`: bearer tokens of the REST API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from actions.tokens import create as create_token
from actions.tokens import revoke as revoke_token
from console.api.fields import MOST_ID
from console.pages.forms import Sent, field_of
from console.pages.rendering import Pages, ShownOnce
from console.pages.visitor import Guard, Visitor
from core.errors import UsageError
from db import tokens
from db.session import transact
from db.tokens import Scope
from db.users import Role

Number = Annotated[int, Path(ge=1, le=MOST_ID)]


def tokens_router(engine: Engine, guard: Guard, pages: Pages) -> APIRouter:
    """Return the routes of tokens."""
    router = APIRouter(prefix="/tokens")
    Admin = Annotated[Visitor, Depends(guard.needs(Role.ADMIN))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.ADMIN))]

    def show_tokens(request: Request, visitor: Visitor, *, wrong: str = "", made: ShownOnce | None = None) -> Response:
        found = transact(engine, tokens.list_valid)
        return pages.show(
            request,
            "tokens.html",
            visitor,
            status=422 if wrong else 200,
            tokens=found,
            scopes=list(Scope),
            wrong=wrong,
            made=made or [],
        )

    @router.get("")
    def all_tokens(request: Request, visitor: Admin) -> Response:
        return show_tokens(request, visitor)

    @router.post("")
    def make_token(request: Request, visitor: Acting, sent: Sent) -> Response:
        name = field_of(sent, "name")
        scopes = [scope for scope in Scope if scope.value in {str(each) for each in sent.getlist("scope")}]
        try:
            _, text = transact(engine, lambda connection: create_token(connection, visitor.user.name, name, scopes))
        except UsageError as error:
            return show_tokens(request, visitor, wrong=str(error))
        return show_tokens(request, visitor, made=[(f"Token {name}", text)])

    @router.post("/{number}/revoke")
    def revoke(number: Number, visitor: Acting) -> Response:
        transact(engine, lambda connection: revoke_token(connection, visitor.user.name, number))
        return pages.go("/tokens", f"Token {number} is revoked.")

    return router
