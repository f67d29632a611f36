"""`/search`: whatever somebody has at hand, found."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from console.pages.batch_view import BatchView, look_at_batches
from console.pages.page_range import PageRange
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from core.settings import Settings
from core.shown import HIDDEN, url_for_people
from db import batches, listings, redo, search
from db.listings import JobRow
from db.redo import Redo
from db.search import LONGEST, FoundBy
from db.session import transact
from db.users import Role

FIRST, PAGE = 12, 48
"""Photos of each way that are shown at first, and on a page of one way."""
Sought = Annotated[str, Query(max_length=LONGEST)]
At = Annotated[int, Query(ge=0, le=search.MOST_FOUND)]


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of what was found in one way.

    Args:
        by: Which.
        place: Which page of how many photos.
        jobs: The photos.
        redos: What does them again, by photo.
    """

    by: FoundBy
    place: PageRange
    jobs: list[JobRow]
    redos: dict[int, list[Redo]]


def search_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the route of the search."""
    router = APIRouter()
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]

    @router.get("/search")
    def show(
        request: Request, visitor: Viewer, q: Sought = "", by: Annotated[str, Query(max_length=20)] = "", at: At = 0
    ) -> Response:
        found = transact(engine, lambda connection: search.find(connection, q))
        if found.single is not None and not by:
            kind, number = found.single
            return pages.go(f"/batches/{number}" if kind == "batch" else f"/jobs/{number}")
        seen = shown(q)

        def work(connection: Connection) -> tuple[list[Hits], list[BatchView]]:
            wanted = [group for group in found.groups if by in {"", group.by.value}]
            rows = [] if by else batches.list_these(connection, found.batch_ids)
            hits = [_look(connection, group, at if by else 0, PAGE if by else FIRST) for group in wanted]
            return hits, look_at_batches(connection, settings, rows)

        hits, views = transact(engine, work)
        return pages.show(
            request,
            "search.html",
            visitor,
            sought=seen,
            by=by,
            hits=hits,
            batches=views,
            batch_total=len(found.batch_ids),
            query=lambda **more: urlencode({"q": seen, **more}),
            names=NAMES,
            first=FIRST,
        )

    return router


NAMES = {
    FoundBy.NUMBER: "Photo with this number",
    FoundBy.REQUEST: "Photos of this request",
    FoundBy.SKU: "Products",
    FoundBy.NAME: "File names",
    FoundBy.URL: "URLs",
}


def shown(told: str) -> str:
    """Return what was looked for as it may be shown, and asked for again: without what lets others in."""
    told = told.replace("\0", "").strip()
    return url_for_people(told).partition(HIDDEN)[0] if search.is_url(told) else told


def _look(connection: Connection, group: search.Matches, at: int, size: int) -> Hits:
    ids = group.ids[at : at + size]
    place = PageRange(at, len(ids), len(group.ids), size, is_more=group.is_more)
    return Hits(group.by, place, listings.list_these(connection, ids), redo.list_of(connection, ids))
