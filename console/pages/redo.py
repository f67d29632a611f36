"""`/jobs/N/redo`: paint over what is left, and have the photo done again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from actions.redo import do_again, refuse_running
from console.pages.forms import Sent
from console.pages.job import way_back
from console.pages.photos import Photos, seen_size_of
from console.pages.pictures import JobId, job_or_404
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from console.pools import REDOS
from core.settings import Settings
from db.listings import JobView
from db.redo import Added
from db.session import transact
from db.users import Role

OUTPUT, SOURCE = "output", "source"


def redo_router(engine: Engine, guard: Guard, pages: Pages, photos: Photos, settings: Settings) -> APIRouter:
    """Return the routes of doing photos again."""
    router = APIRouter(prefix="/jobs/{job_id}/redo")
    Operator = Annotated[Visitor, Depends(guard.needs(Role.OPERATOR))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]

    @router.get("")
    @REDOS.serves
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
    @REDOS.serves
    def submit(job_id: JobId, visitor: Acting, sent: Sent) -> Response:
        job = job_or_404(engine, job_id)
        ground = _ground(job, str(sent.get("ground") or ""))
        data = photos.output(job) if ground == OUTPUT else photos.source(job)
        output = data if ground == OUTPUT else None
        size = seen_size_of(data)

        def work(connection: Connection) -> Added:
            mask = str(sent.get("mask") or "")
            return do_again(connection, visitor.user.name, job_id, mask=mask, size=size, output=output)

        made = transact(engine, work).job_id
        return pages.go(way_back(sent, f"/jobs/{made}"), f"Redoing as job {made}; its result will replace this one.")

    return router


def _ground(job: JobView, asked: str) -> str:
    refuse_running(job)
    return SOURCE if asked == SOURCE or job.artifact_sha256 is None else OUTPUT
