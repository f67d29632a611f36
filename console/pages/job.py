"""`/jobs/N`: one photo, before and after, what happened to it, and deciding about it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from console.pages.pictures import JobId, job_or_404
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor, read_form
from core.settings import Settings
from core.states import JobState
from db import audit, circuits, listings, redo, requeues, reviews
from db.listings import AttemptRow, JobView
from db.redo import Redo
from db.reviews import Verdict
from db.session import transact
from db.users import Role

RUNNING = {JobState.PENDING, JobState.QUEUED, JobState.RUNNING}


@dataclass(frozen=True, slots=True)
class JobPage:
    """What a job's page shows.

    Args:
        job: The photo.
        attempts: Oldest first.
        again: The newest job that does it again, or None.
    """

    job: JobView
    attempts: list[AttemptRow]
    again: Redo | None

    @property
    def is_open(self) -> bool:
        """Whether it still has something to run."""
        return self.job.state in RUNNING


def jobs_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of photos."""
    router = APIRouter(prefix="/jobs")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    Sent = Annotated[FormData, Depends(read_form)]

    @router.get("/{job_id}")
    def show(request: Request, job_id: JobId, visitor: Viewer) -> Response:
        return pages.show(request, "job.html", visitor, page=look_at_job(engine, job_id))

    @router.post("/{job_id}/requeue")
    def requeue(job_id: JobId, visitor: Acting, sent: Sent) -> Response:
        def work(connection: Connection) -> str:
            if not requeues.requeue_one(connection, job_id):
                return f"Job {job_id} is neither dead, held nor cancelled, so it does not go round again."
            circuits.probe_now(connection, settings.account)
            audit.note(connection, visitor.user.name, "requeue", f"job {job_id}")
            return f"Job {job_id} goes round again."

        said = transact(engine, work)
        return pages.go(way_back(sent, f"/jobs/{job_id}"), said)

    @router.post("/{job_id}/{verdict}")
    def decide(job_id: JobId, verdict: str, visitor: Acting, sent: Sent) -> Response:
        reason = str(sent.get("reason") or "").replace("\0", "").strip()[:500]

        def work(connection: Connection) -> str:
            if verdict == "accept":
                found, *twins = reviews.accept(connection, [job_id])
            elif verdict == "reject":
                found, *twins = reviews.reject(connection, [job_id], reason)
            else:
                raise PageError(404, "There is no such thing to do with a photo.")
            if found.verdict is Verdict.UNKNOWN:
                raise PageError(404, f"There is no job {job_id}.")
            if found.verdict is Verdict.NO_OUTPUT:
                return f"Job {job_id} has no output to accept: reject it, or send it round again."
            if found.verdict is Verdict.NOT_HELD:
                return f"Job {job_id} was decided before: it is {found.state}."
            audit.note(connection, visitor.user.name, verdict, f"job {job_id}", reason)
            more = sum(twin.verdict is Verdict.DONE for twin in twins)
            also = f", and {more} more of the same photo" if more else ""
            return f"Job {job_id} is {'clean' if verdict == 'accept' else 'rejected'}{also}."

        said = transact(engine, work)
        return pages.go(way_back(sent, f"/jobs/{job_id}"), said)

    return router


def look_at_job(engine: Engine, job_id: int) -> JobPage:
    """Return what a job's page shows.

    Raises:
        PageError: 404, when there is none.
    """
    job = job_or_404(engine, job_id)
    attempts, again = transact(
        engine,
        lambda connection: (listings.list_attempts(connection, job_id), redo.find_newest(connection, job_id)),
    )
    return JobPage(job, attempts, again)


def way_back(sent: FormData, otherwise: str) -> str:
    """Return where to go on after a form: the review it came from, or else another page."""
    told = str(sent.get("then") or "")
    return told if told.startswith("/review") and told.isprintable() and "\\" not in told else otherwise
