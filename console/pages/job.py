"""`/jobs/N`: one photo, before and after, what happened to it, and deciding about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions.questions import ask_requeue_one
from actions.redo import RUNNING
from actions.requeue import requeue_one
from actions.review import accept, reject
from console.pages.consent import Consent
from console.pages.forms import Sent, field_of
from console.pages.pictures import JobId, job_or_404
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor
from core.errors import Refused
from core.figures import counted
from core.settings import Settings
from db import listings, looks, redo
from db.listings import AttemptRow, JobView
from db.redo import Redo
from db.session import transact
from db.users import Role
from photos.findings import VERSION, asked_for, from_rows
from photos.findings.overlay import Box


@dataclass(frozen=True, slots=True)
class JobPage:
    """What a job's page shows.

    Args:
        job: The photo.
        attempts: Oldest first.
        again: The newest job that does it again, or None.
        layers: Boxes to draw over the photo, by what they show: `found`, `left`, `damaged`; those there are.
    """

    job: JobView
    attempts: list[AttemptRow]
    again: Redo | None
    layers: dict[str, list[Box]]

    @property
    def is_open(self) -> bool:
        """Whether it still has something to run."""
        return self.job.state in RUNNING


def jobs_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of photos."""
    router = APIRouter(prefix="/jobs")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    consent = Consent(engine, pages)

    @router.get("/{job_id}")
    def show(request: Request, job_id: JobId, visitor: Viewer) -> Response:
        return pages.show(request, "job.html", visitor, page=look_at_job(engine, job_id))

    @router.post("/{job_id}/requeue")
    def requeue(request: Request, job_id: JobId, visitor: Acting, sent: Sent) -> Response:
        def work(connection: Connection) -> str:
            requeue_one(connection, visitor.user.name, job_id, settings)
            return f"Retrying job {job_id}."

        return consent.do(
            request,
            visitor,
            sent,
            ask=lambda connection: ask_requeue_one(connection, job_id, settings),
            work=work,
            back=way_back(sent, f"/jobs/{job_id}"),
        )

    @router.post("/{job_id}/{verdict}")
    def decide(job_id: JobId, verdict: str, visitor: Acting, sent: Sent) -> Response:
        reason = field_of(sent, "reason")[:500]

        def work(connection: Connection) -> str:
            if verdict == "accept":
                decided = accept(connection, visitor.user.name, job_id)
            elif verdict == "reject":
                decided = reject(connection, visitor.user.name, job_id, reason)
            else:
                raise PageError(404, "There is no such action for a photo.")
            also = (
                f", and {counted(len(decided.twins), 'more copy', 'more copies')} of the same photo"
                if decided.twins
                else ""
            )
            return f"Job {job_id} is {'clean' if verdict == 'accept' else 'rejected'}{also}."

        return pages.go(way_back(sent, f"/jobs/{job_id}"), said_of(work))

    def said_of(work: Callable[[Connection], str]) -> str:
        try:
            return transact(engine, work)
        except Refused as error:
            # Two who review at the same time both go on to the next photo.
            return str(error)

    return router


def look_at_job(engine: Engine, job_id: int) -> JobPage:
    """Return what a job's page shows.

    Raises:
        PageError: 404, when there is none.
    """
    job = job_or_404(engine, job_id)
    attempts, again, found = transact(
        engine,
        lambda connection: (
            listings.list_attempts(connection, job_id),
            redo.find_newest(connection, job_id),
            looks.find(connection, job.source_sha256 or "", VERSION),
        ),
    )
    return JobPage(job, attempts, again, _layers_of(job, found))


def _layers_of(job: JobView, found: looks.Rows | None) -> dict[str, list[Box]]:
    asked = [] if job.mask else asked_for(from_rows(found or ()), job.elements, job.subject_elements)
    told = job.proof or {}
    layers = {"found": [each.box for each in asked], "left": told.get("left"), "damaged": told.get("damaged")}
    return {name: boxes for name, boxes in layers.items() if boxes}


def way_back(sent: FormData, otherwise: str) -> str:
    """Return where to go on after a form: the review it came from, or else another page."""
    back = str(sent.get("then") or "")
    return back if back.startswith("/review") and back.isprintable() and "\\" not in back else otherwise
