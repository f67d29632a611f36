"""`/flower`: hands over to Flower, which then asks for no password."""

import time
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from sqlalchemy import Engine

from console.pages.rendering import Pages
from console.pages.signing_in import local
from console.pages.visitor import Guard, PageError, Visitor
from core.handover import make_handover
from core.settings import Settings
from db import audit
from db.session import transact
from db.users import Role


def flower_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the route that leads to Flower."""
    router = APIRouter()
    Operator = Annotated[Visitor, Depends(guard.needs(Role.OPERATOR))]

    @router.get("/flower")
    def hand_over(visitor: Operator, then: Annotated[str, Query(max_length=500)] = "/") -> Response:
        where, secret = settings.flower_public_url.rstrip("/"), settings.flower_basic_auth.get_secret_value()
        if not where:
            raise PageError(404, "Nobody has said where Flower is (FLOWER_PUBLIC_URL).")
        if not secret:
            # It asks for its password itself.
            return pages.go(where)
        name = visitor.user.name
        transact(engine, lambda connection: audit.note(connection, name, "open Flower"))
        word = make_handover(secret, name, time.time())
        return pages.go(f"{where}/from-console?{urlencode({'word': word, 'then': local(then)})}")

    return router
