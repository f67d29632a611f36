"""`/photos/…`: what the console's pages show."""

from enum import StrEnum
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from console.api.fields import MOST_ID
from console.artifacts import MEDIA_TYPES, stream
from console.pages.photos import FULL, LARGE, SMALL, Photos
from console.pages.rendering import with_headers
from console.pages.visitor import Guard, PageError, Visitor
from console.pools import OUTPUTS, PICTURES
from core.errors import CleanplateError
from db import listings
from db.listings import JobView
from db.parts import open_parts
from db.session import transact
from db.users import Role

KEPT = "private, max-age=86400, immutable"
JobId = Annotated[int, Path(ge=1, le=MOST_ID)]


class Which(StrEnum):
    """Which picture of a job."""

    BEFORE_SMALL = "before-small"
    BEFORE = "before"
    AFTER_SMALL = "after-small"
    AFTER = "after"
    BEFORE_FULL = "before-full"
    AFTER_FULL = "after-full"
    CHANGES = "changes"


AFTERS = frozenset({Which.AFTER_SMALL, Which.AFTER, Which.AFTER_FULL})


def pictures_router(engine: Engine, guard: Guard, photos: Photos) -> APIRouter:
    """Return the routes of pictures."""
    router = APIRouter(prefix="/photos")

    @router.get("/{job_id}/output")
    @OUTPUTS.serves
    def whole(job_id: JobId, _: Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]) -> Response:
        job = job_or_404(engine, job_id)
        if job.shown_sha256 is None:
            raise PageError(404, f"Job {job.id} has no result.")
        try:
            parts = open_parts(engine, job.shown_sha256)
        except CleanplateError as error:
            raise PageError(502, f"The result cannot be read: {error}") from error
        kind = MEDIA_TYPES.get(job.artifact_format or "", "application/octet-stream")
        name = job.name.rpartition("/")[2].encode("ascii", "replace").decode().replace('"', "'")
        return with_headers(
            stream(parts, 0, parts.size - 1, media_type=kind), {"Content-Disposition": f'inline; filename="{name}"'}
        )

    @router.get("/{job_id}/{which}")
    async def picture(
        request: Request,
        job_id: JobId,
        which: Which,
        _: Annotated[Visitor, Depends(guard.needs(Role.VIEWER))],
        v: str = "",
    ) -> Response:
        job = await PICTURES.run(partial(job_or_404, engine, job_id))
        etag = f'"{job.source_sha256}-{job.shown_sha256}"'
        # As long as no photo was read, there may be another one in a moment.
        is_fixed = job.source_sha256 is not None
        cache = {"ETag": etag, "Cache-Control": "private, no-cache"} if is_fixed else {}
        sha256 = job.shown_sha256 if which in AFTERS else job.source_sha256
        if is_fixed and v == sha256:
            # An address that names the content: a contact sheet asks for thousands, and for each once.
            cache["Cache-Control"] = KEPT
        if is_fixed and request.headers.get("if-none-match") == etag:
            return with_headers(Response(status_code=304), cache)
        match which:
            case Which.BEFORE_SMALL | Which.BEFORE:
                data = await photos.before(job, SMALL if which is Which.BEFORE_SMALL else LARGE)
            case Which.AFTER_SMALL | Which.AFTER:
                data = await photos.after(job, SMALL if which is Which.AFTER_SMALL else LARGE)
            case Which.BEFORE_FULL:
                data = await photos.before(job, FULL)
            case Which.AFTER_FULL:
                data = await photos.after(job, FULL)
            case Which.CHANGES:
                data = await photos.changes(job)
        kind = "image/png" if which is Which.CHANGES else "image/jpeg"
        return with_headers(Response(data, media_type=kind), cache)

    return router


def job_or_404(engine: Engine, job_id: int) -> JobView:
    """Return a job.

    Raises:
        PageError: 404, when there is none.
    """
    found = transact(engine, lambda connection: listings.view_job(connection, job_id))
    if found is None:
        raise PageError(404, f"There is no job {job_id}.")
    return found
