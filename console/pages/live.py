"""`/live/…`: parts of a page, rendered anew once a second and sent when they changed (server-sent events)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from console.pages.batch import BatchId, look_at_batch
from console.pages.overview import SPANS, Glances
from console.pages.rendering import HEADERS, Pages
from console.pages.visitor import Guard, Visitor
from core.errors import CleanplateError
from core.settings import Settings
from db.users import Role

EVERY_SECONDS = 1.0
LONGEST_SECONDS = 3600.0
"""A browser asks again by itself; whoever was shut out meanwhile is told so then."""
QUIET_SECONDS = 15.0

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
                for name in ("attention", "figures", "chart", "lanes", "newest", "fleet")
            }

        return _stream(request, parts)

    @router.get("/batches/{batch_id}")
    def batch(request: Request, batch_id: BatchId, visitor: Viewer) -> StreamingResponse:
        def parts() -> dict[str, str]:
            found = look_at_batch(engine, settings, batch_id)
            return {"progress": pages.part("parts/progress.html", visitor, batch=found)}

        return _stream(request, parts)

    return router


def _stream(request: Request, parts: Parts) -> StreamingResponse:
    headers = {**HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(_changes(request, parts), media_type="text/event-stream", headers=headers)


async def _changes(request: Request, parts: Parts) -> AsyncIterator[str]:
    sent: dict[str, str] = {}
    began = quiet_since = asyncio.get_running_loop().time()
    while not await request.is_disconnected():
        now = asyncio.get_running_loop().time()
        if now - began > LONGEST_SECONDS:
            return
        try:
            found = await run_in_threadpool(parts)
        except CleanplateError:
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
