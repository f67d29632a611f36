"""`/jobs/N/redo`: paint over what is left, and have the photo done again."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from console.pages.job import RUNNING, way_back
from console.pages.photos import Photos, seen_size_of
from console.pages.pictures import JobId, job_or_404
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor, read_form
from core.errors import UsageError
from core.settings import Settings
from db import audit, redo, uploads
from db.listings import JobView
from db.session import transact
from db.users import Role
from removal.mask.asked import check_asked, read_asked

OUTPUT, SOURCE = "output", "source"


def redo_router(engine: Engine, guard: Guard, pages: Pages, photos: Photos, settings: Settings) -> APIRouter:
    """Return the routes of doing photos again."""
    router = APIRouter(prefix="/jobs/{job_id}/redo")
    Operator = Annotated[Visitor, Depends(guard.needs(Role.OPERATOR))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    Sent = Annotated[FormData, Depends(read_form)]

    @router.get("")
    def draw(request: Request, job_id: JobId, visitor: Operator, ground: str = "", then: str = "") -> Response:
        job = job_or_404(engine, job_id)
        ground = _ground(job, ground)
        width, height = seen_size_of(photos.output(job) if ground == OUTPUT else photos.source(job))
        return pages.show(
            request,
            "redo.html",
            visitor,
            job=job,
            ground=ground,
            width=width,
            height=height,
            then=then,
            settings=settings,
        )

    @router.post("")
    def submit(job_id: JobId, visitor: Acting, sent: Sent) -> Response:
        job = job_or_404(engine, job_id)
        ground = _ground(job, str(sent.get("ground") or ""))
        data = photos.output(job) if ground == OUTPUT else photos.source(job)
        mask = _read_mask(sent, *seen_size_of(data))

        def work(connection: Connection) -> int:
            # What a redo starts from stays readable, wherever outputs are kept or a shop's photo goes.
            uri = uploads.keep(connection, data) if ground == OUTPUT else job.input_uri
            key = hashlib.sha256(f"redo {job_id} {uri} {mask}".encode()).hexdigest()
            made = redo.add(connection, job_id, mask=mask, input_uri=uri, item_key=key)
            audit.note(connection, visitor.user.name, "redo", f"job {job_id}", f"as job {made}")
            return made

        made = transact(engine, work)
        return pages.go(
            way_back(sent, f"/jobs/{made}"), f"Job {made} does it again; its output takes the place of this one."
        )

    return router


def _ground(job: JobView, asked: str) -> str:
    if job.state in RUNNING:
        raise PageError(409, f"Job {job.id} is still {job.state}; do it again once it has ended.")
    return SOURCE if asked == SOURCE or job.artifact_sha256 is None else OUTPUT


def _read_mask(sent: FormData, width: int, height: int) -> str:
    told = sent.get("mask")
    if not isinstance(told, str) or not told.strip():
        raise PageError(422, "Nothing is painted, so there is nothing to erase. Paint over what is left.")
    try:
        mask = check_asked(told)
        read_asked(mask, width, height, order="row", origin=0)
    except UsageError as error:
        raise PageError(422, f"This mask cannot be used: {error} Nothing was submitted.") from error
    return mask
