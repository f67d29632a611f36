"""`/live/…`: parts of a page, rendered anew once a second and sent when they changed (server-sent events)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from console.pages.batch import BatchId
from console.pages.batch_view import Chosen, ChosenSpot, Words, find_groups, find_page, look_at_batch
from console.pages.job import look_at_job
from console.pages.overview import SPANS, Glances
from console.pages.pictures import JobId, job_or_404
from console.pages.rendering import HEADERS, Pages
from console.pages.visitor import Guard, PageError, Visitor
from core.errors import CleanplateError
from core.settings import Settings
from db import listings
from db.session import transact
from db.users import Role

EVERY_SECONDS = 1.0
LONGEST_SECONDS = 3600.0
QUIET_SECONDS = 15.0
ASK_SECONDS = 3.0
"""How soon who signed out, or was shut out, sees nothing more."""
GROUPS_SECONDS = 5.0
"""What failed is looked at that often; it takes longer than the rest."""

PHOTO_PARTS = {"state": "photo_state", "facts": "facts", "attempts": "attempts", "verdict": "verdict"}

Parts = Callable[[], dict[str, str]]


def live_router(engine: Engine, guard: Guard, pages: Pages, glances: Glances, settings: Settings) -> APIRouter:
    """Return the routes of live parts."""
    router = APIRouter(prefix="/live")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]

    @router.get("/overview")
    def overview(request: Request, visitor: Viewer, span: str = "10m") -> StreamingResponse:
        chosen = span if span in SPANS else "10m"

        def parts() -> dict[str, str]:
            context = {"glance": glances.take(), "span": chosen, "spans": SPANS, "settings": settings}
            return {
                name: pages.part(f"parts/{name}.html", visitor, **context)
                for name in ("standing", "attention", "figures", "chart", "lanes", "newest", "fleet")
            }

        return _stream(request, parts, still_may(request, visitor))

    @router.get("/standing")
    def standing(request: Request, visitor: Viewer) -> StreamingResponse:
        def parts() -> dict[str, str]:
            return {"standing": pages.part("parts/standing.html", visitor)}

        return _stream(request, parts, still_may(request, visitor))

    @router.get("/batches/{batch_id}")
    def batch(
        request: Request,
        batch_id: BatchId,
        visitor: Viewer,
        chosen: Chosen,
        spot: ChosenSpot,
    ) -> StreamingResponse:
        look_at_batch(engine, settings, batch_id)
        # Those that the page shows, wherever they would be sorted by now.
        ids = transact(engine, lambda connection: find_page(connection, batch_id, chosen, spot)).ids
        grouped, grouped_at = "", float("-inf")

        def parts() -> dict[str, str]:
            nonlocal grouped, grouped_at
            context = {"batch": look_at_batch(engine, settings, batch_id), "filter": chosen, "settings": settings}
            if time.monotonic() - grouped_at > GROUPS_SECONDS:
                groups = transact(engine, lambda connection: find_groups(connection, batch_id))
                grouped = pages.part("parts/batch_groups.html", visitor, groups=groups, **context)
                grouped_at = time.monotonic()
            photos = transact(engine, lambda connection: listings.list_these(connection, ids))
            return {
                "standing": pages.part("parts/standing.html", visitor),
                "progress": pages.part("parts/progress.html", visitor, **context),
                "actions": pages.part("parts/batch_actions.html", visitor, **context),
                "held": pages.part("parts/batch_held.html", visitor, **context),
                "groups": grouped,
                **{
                    f"photo-{job.id}": pages.part("parts/photo.html", visitor, job=job, filter=chosen) for job in photos
                },
            }

        return _stream(request, parts, still_may(request, visitor))

    @router.get("/jobs/{job_id}")
    def job(request: Request, job_id: JobId, visitor: Viewer, chosen: Chosen, v: Words = "") -> StreamingResponse:
        job_or_404(engine, job_id)

        def parts() -> dict[str, str]:
            page = look_at_job(engine, job_id)
            names = ("state", "facts", "attempts", "verdict")
            found = {
                name: pages.part(f"parts/{PHOTO_PARTS[name]}.html", visitor, page=page, filter=chosen) for name in names
            }
            if (page.job.shown_sha256 or "") != v:
                found["picture"] = pages.part("parts/picture.html", visitor, page=page)
            return {"standing": pages.part("parts/standing.html", visitor), **found}

        return _stream(request, parts, still_may(request, visitor))

    def still_may(request: Request, visitor: Visitor) -> Callable[[], bool]:
        def ask() -> bool:
            try:
                found = guard.find(request)
            except PageError:
                return False
            return found is not None and (found.user.id, found.user.role) == (visitor.user.id, visitor.user.role)

        return ask

    return router


def _stream(request: Request, parts: Parts, still_may: Callable[[], bool]) -> StreamingResponse:
    headers = {**HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(_changes(request, parts, still_may), media_type="text/event-stream", headers=headers)


async def _changes(request: Request, parts: Parts, still_may: Callable[[], bool]) -> AsyncIterator[str]:
    sent: dict[str, str] = {}
    began = quiet_since = asked = asyncio.get_running_loop().time()
    while not await request.is_disconnected():
        now = asyncio.get_running_loop().time()
        if now - began > LONGEST_SECONDS:
            return
        try:
            if now - asked > ASK_SECONDS:
                asked = now
                if not await run_in_threadpool(still_may):
                    yield "event: shut-out\ndata: \n\n"
                    return
            found = await run_in_threadpool(parts)
        except (CleanplateError, PageError):
            # The page says what it last knew; the next round finds out whether the database is back.
            found = {}
        changed = {name: text for name, text in found.items() if sent.get(name) != text}
        if changed:
            sent |= changed
            quiet_since = now
            yield f"event: parts\ndata: {json.dumps(changed)}\n\n"
        elif now - quiet_since > QUIET_SECONDS:
            quiet_since = now
            yield ": still here\n\n"
        await asyncio.sleep(EVERY_SECONDS)
