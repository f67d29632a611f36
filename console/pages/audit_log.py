"""`/audit`: what was done, by whom and when."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from console.api.fields import MOST_ID
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from db import audit
from db.session import transact
from db.users import Role

PAGE = 100


def audit_router(engine: Engine, guard: Guard, pages: Pages) -> APIRouter:
    """Return the route of the audit log."""
    router = APIRouter()
    Admin = Annotated[Visitor, Depends(guard.needs(Role.ADMIN))]

    @router.get("/audit")
    def log(
        request: Request,
        visitor: Admin,
        actor: Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")] = "",
        before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
    ) -> Response:
        lines = transact(
            engine,
            lambda connection: audit.list_lines(connection, actor=actor or None, before=before, limit=PAGE),
        )
        more = lines[-1].id if len(lines) == PAGE else None
        return pages.show(request, "audit.html", visitor, lines=lines, actor=actor, more=more)

    return router
