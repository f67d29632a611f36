"""`/review`: photos that wait for a person, one after another."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from console.api.fields import MOST_ID
from console.pages.job import find_undoable, look_at_job
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from core.settings import Settings
from db import flags, overview, tallies
from db.decisions import Undoable
from db.session import transact
from db.users import Role


def review_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the route of the review."""
    router = APIRouter()
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]

    @router.get("/review")
    def review(
        request: Request,
        visitor: Viewer,
        after: int = 0,
        batch: int | None = None,
        undo: UUID | None = None,
        of: Annotated[int, Query(ge=0, le=MOST_ID)] = 0,
    ) -> Response:
        after = min(max(after, 0), MOST_ID)
        batch = batch if batch is not None and 0 < batch <= MOST_ID else None

        def work(connection: Connection) -> tuple[list[int], int, Undoable | None]:
            found = _find_next(connection, after, batch)
            # Those that were skipped come round again.
            if not found and after:
                found = _find_next(connection, 0, batch)
            held = tallies.counts(connection, batch).held if batch else overview.count_held(connection)
            undoable = find_undoable(connection, visitor, of, undo)
            return found, held + flags.count(connection, batch), undoable

        found, waiting, undoable = transact(engine, work)
        page = look_at_job(engine, found[0]) if found else None
        following = found[1] if len(found) > 1 else None
        return pages.show(
            request,
            "review.html",
            visitor,
            page=page,
            waiting=waiting,
            batch=batch,
            following=following,
            settings=settings,
            undoable=undoable,
            undo_of=of,
        )

    return router


def _find_next(connection: Connection, after: int, batch_id: int | None) -> list[int]:
    held = overview.find_held(connection, after=after, batch_id=batch_id, limit=2)
    return sorted({*held, *flags.list_next(connection, after=after, batch_id=batch_id, limit=2)})[:2]
