"""`/jobs/N`: one photo, before and after, what happened to it, and deciding about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions.flags import flag, unflag
from actions.questions import ask_requeue_one
from actions.redo import RUNNING
from actions.requeue import requeue_one
from actions.review import accept, reject
from actions.selection import undo as take_back
from console.pages.batch_view import Chosen
from console.pages.consent import Consent
from console.pages.forms import Sent, field_of
from console.pages.pictures import JobId, job_or_404
from console.pages.rendering import Pages
from console.pages.selection import decision_in
from console.pages.visitor import Guard, PageError, Visitor
from core.errors import Refused
from core.figures import counted
from core.settings import Settings
from db import decisions, flags, job_history, listings, looks, photo_pages, redo
from db.decisions import Undoable
from db.flags import Flag
from db.job_history import AttemptRow
from db.listings import JobView
from db.photo_pages import Beside
from db.redo import Redo
from db.session import transact
from db.users import Role
from photos.findings import VERSION, asked_for, from_rows
from photos.findings.overlay import Box

FLAGGED = "Flagged: it waits for review, and stays as it is until then."


@dataclass(frozen=True, slots=True)
class JobPage:
    """What a job's page shows.

    Args:
        job: The photo.
        attempts: Oldest first.
        again: The newest job that does it again, or None.
        layers: Boxes to draw over the photo, by what they show: `found`, `left`, `damaged`; those there are.
        flag: Says that somebody wants it looked at; None when nobody does.
    """

    job: JobView
    attempts: list[AttemptRow]
    again: Redo | None
    layers: dict[str, list[Box]]
    flag: Flag | None = None

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
    def show(request: Request, job_id: JobId, visitor: Viewer, chosen: Chosen, undo: UUID | None = None) -> Response:
        page = look_at_job(engine, job_id)

        def work(connection: Connection) -> tuple[Beside, Undoable | None]:
            beside = photo_pages.look_beside(connection, chosen.scope(page.job.batch_id), chosen.order, job_id)
            return beside, find_undoable(connection, visitor, job_id, undo)

        beside, undoable = transact(engine, work)
        return pages.show(
            request, "job.html", visitor, page=page, beside=beside, filter=chosen, undoable=undoable, undo_of=job_id
        )

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

    @router.post("/{job_id}/undo")
    def undo(job_id: JobId, visitor: Acting, sent: Sent) -> Response:
        batch_id, decision = job_or_404(engine, job_id).batch_id, decision_in(sent)

        def work(connection: Connection) -> str:
            count = take_back(connection, visitor.user.name, batch_id, decision)
            return f"Undone: {counted(count, 'photo is', 'photos are')} as before."

        return pages.go(way_back(sent, f"/jobs/{job_id}"), said_of(work))

    @router.post("/{job_id}/{verdict}")
    def decide(job_id: JobId, verdict: str, visitor: Acting, sent: Sent) -> Response:
        reason, who = field_of(sent, "reason")[:500], visitor.user.name
        decided: UUID | None = None

        def work(connection: Connection) -> str:
            nonlocal decided
            if verdict == "flag":
                return FLAGGED if flag(connection, who, job_id, reason) else "It was flagged before."
            if verdict == "unflag":
                return "Not flagged any more." if unflag(connection, who, job_id) else "It was not flagged."
            if verdict not in {"accept", "reject"}:
                raise PageError(404, "There is no such thing to do with a photo.")
            done = accept(connection, who, job_id) if verdict == "accept" else reject(connection, who, job_id, reason)
            decided = done.undo
            also = f", and {len(done.twins)} more of the same photo" if done.twins else ""
            return f"Job {job_id} is {'clean' if verdict == 'accept' else 'rejected'}{also}."

        said = said_of(work)
        back = way_back(sent, f"/jobs/{job_id}")
        if decided is not None:
            back += f"{'&' if '?' in back else '?'}undo={decided}&of={job_id}"
        return pages.go(back, said)

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
    attempts, again, found, flagged = transact(
        engine,
        lambda connection: (
            job_history.list_attempts(connection, job_id),
            redo.find_newest(connection, job_id),
            looks.find(connection, job.source_sha256 or "", VERSION),
            flags.find(connection, job_id),
        ),
    )
    return JobPage(job, attempts, again, _layers_of(job, found), flagged)


def _layers_of(job: JobView, found: looks.Rows | None) -> dict[str, list[Box]]:
    asked = [] if job.mask else asked_for(from_rows(found or ()), job.elements, job.subject_elements)
    told = job.proof or {}
    layers = {"found": [each.box for each in asked], "left": told.get("left"), "damaged": told.get("damaged")}
    return {name: boxes for name, boxes in layers.items() if boxes}


def find_undoable(connection: Connection, visitor: Visitor, job_id: int, undo: UUID | None) -> Undoable | None:
    """Return what somebody decided last about a photo, while it can be taken back."""
    job = listings.find_job(connection, job_id) if undo is not None else None
    if undo is None or job is None:
        return None
    found = decisions.find(connection, undo, job.batch_id, visitor.user.name)
    return found if found is not None and found.seconds_left > 0 else None


def way_back(sent: FormData, otherwise: str) -> str:
    """Return where to go on after a form: the review or the photo that it came from, or else another page."""
    back = str(sent.get("then") or "")
    return back if back.startswith(("/review", "/jobs/")) and back.isprintable() and "\\" not in back else otherwise
