"""`/review`: photos that wait for a person, one after another."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from console.api.fields import MOST_ID
from console.pages.job import look_at_job
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from core.settings import Settings
from db import overview
from db.session import transact
from db.users import Role


def review_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the route of the review."""
    router = APIRouter()
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]

    @router.get("/review")
    def review(request: Request, visitor: Viewer, after: int = 0, batch: int | None = None) -> Response:
        after = min(max(after, 0), MOST_ID)
        batch = batch if batch is not None and 0 < batch <= MOST_ID else None

        def work(connection: Connection) -> tuple[list[int], int]:
            found = overview.find_held(connection, after=after, batch_id=batch, limit=2)
            # Those that were skipped come round again.
            if not found and after:
                found = overview.find_held(connection, after=0, batch_id=batch, limit=2)
            return found, overview.count_held(connection)

        found, held = transact(engine, work)
        page = look_at_job(engine, found[0]) if found else None
        following = found[1] if len(found) > 1 else None
        return pages.show(
            request, "review.html", visitor, page=page, held=held, batch=batch, following=following, settings=settings
        )

    return router
