"""Batches: all of them, one with its photos, and steering."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from console.api.words import MOST_ID
from console.pages.batch_view import (
    PAGE,
    BatchView,
    Chosen,
    find_groups,
    find_photos,
    look_at_batch,
    look_at_batches,
)
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor, read_form
from core.settings import Settings
from core.states import BatchState, JobState
from db import audit, batches, budgets, cancels, circuits, requeues
from db.failures import FailureGroup
from db.listings import JobRow
from db.session import transact
from db.users import Role

MOST_BATCHES = 40
BatchId = Annotated[int, Path(ge=1, le=MOST_ID)]
AfterId = Annotated[int, Query(ge=0, le=MOST_ID)]


def batches_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of batches."""
    router = APIRouter(prefix="/batches")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Operator = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    Sent = Annotated[FormData, Depends(read_form)]

    @router.get("")
    def show_all(
        request: Request,
        visitor: Viewer,
        state: BatchState | None = None,
        before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
    ) -> Response:
        def work(connection: Connection) -> list[BatchView]:
            rows = batches.newest(connection, MOST_BATCHES, before=before, state=state)
            return look_at_batches(connection, settings, rows)

        found = transact(engine, work)
        more = found[-1].row.id if len(found) == MOST_BATCHES else None
        return pages.show(
            request, "batches.html", visitor, batches=found, state=state or "", states=list(BatchState), more=more
        )

    @router.get("/{batch_id}")
    def show(
        request: Request,
        batch_id: BatchId,
        visitor: Viewer,
        chosen: Chosen,
        after: AfterId = 0,
    ) -> Response:
        def work(connection: Connection) -> tuple[list[JobRow], list[FailureGroup]]:
            return find_photos(connection, batch_id, chosen, after), find_groups(connection, batch_id)

        batch = look_at_batch(engine, settings, batch_id)
        jobs, groups = transact(engine, work)
        return pages.show(
            request,
            "batch.html",
            visitor,
            batch=batch,
            jobs=jobs,
            groups=groups,
            filter=chosen,
            states=list(JobState),
            after=after,
            more=jobs[-1].id if len(jobs) == PAGE else None,
            settings=settings,
        )

    @router.post("/{batch_id}/{action}")
    def steer(batch_id: BatchId, action: str, visitor: Operator, sent: Sent) -> Response:
        if action not in STEERING:
            raise PageError(404, "There is no such thing to do with a batch.")

        def work(connection: Connection) -> str:
            if batches.get(connection, batch_id) is None:
                raise PageError(404, f"There is no batch {batch_id}.")
            said, detail = STEERING[action](connection, batch_id, sent)
            if detail is None:
                return said
            audit.note(connection, visitor.user.name, action, f"batch {batch_id}", detail)
            if action in {"resume", "requeue"}:
                circuits.probe_now(connection, settings.account)
            return said

        return pages.go(f"/batches/{batch_id}", transact(engine, work))

    return router


Steered = tuple[str, str | None]
"""What the next page says, and what the audit log tells beside who did what; None when nothing was changed."""


def _pause(connection: Connection, batch_id: int, _: FormData) -> Steered:
    if not batches.pause(connection, batch_id, "hand"):
        return "It was not running.", None
    return "Paused: no further call is made; those on their way finish.", ""


def _resume(connection: Connection, batch_id: int, _: FormData) -> Steered:
    return ("It goes on.", "") if batches.resume(connection, batch_id) else ("It was not paused.", None)


def _cancel(connection: Connection, batch_id: int, _: FormData) -> Steered:
    found = cancels.cancel(connection, batch_id)
    if found is None:
        return "It had ended before.", None
    return f"Cancelled: {found:,} photos are not called any more. What is clean stays.", f"{found} photos"


def _requeue(connection: Connection, batch_id: int, sent: FormData) -> Steered:
    code, message = _told(sent, "code"), _told(sent, "message")
    asked = sent.get("state")
    state = JobState(asked) if asked in {JobState.HELD, JobState.CANCELLED} else JobState.DEAD
    found = requeues.requeue(connection, batch_id, code, message=message, state=state)
    which = f"{found:,} {state} photos{f' with {code}' if code else ''}"
    return f"{which} go round again.", f"{which} {message or ''}".strip() if found else None


def _budget(connection: Connection, batch_id: int, sent: FormData) -> Steered:
    told = str(sent.get("max_calls") or "").strip()
    if not (told.isascii() and told.isdecimal() and len(told) <= 12):
        raise PageError(422, "Most calls is a whole number. Nothing was changed.")
    budgets.set_limits(connection, batch_id, max_calls=int(told), max_cost=None)
    return f"It may make {int(told):,} calls in all.", f"{told} calls"


def _told(sent: FormData, name: str) -> str | None:
    value = sent.get(name)
    return value[:2000] if isinstance(value, str) and "\0" not in value else None


STEERING = {"pause": _pause, "resume": _resume, "cancel": _cancel, "requeue": _requeue, "budget": _budget}
