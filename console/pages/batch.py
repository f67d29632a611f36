"""Batches: all of them, one with its photos, and steering."""

from dataclasses import dataclass
from typing import Annotated, TypedDict

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions import batches as steered
from actions import questions
from actions import requeue as send_again
from actions.budgets import describe_budget, set_limits
from actions.questions import Question
from actions.samples import describe_sign_off
from console.api.fields import MOST_ID
from console.pages.batch_view import (
    PAGE,
    BatchView,
    Chosen,
    ChosenSpot,
    find_groups,
    find_page,
    look_at_batch,
    look_at_batches,
)
from console.pages.consent import Consent
from console.pages.forms import Sent, field_of
from console.pages.page_range import PageRange
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor
from core.figures import counted
from core.money import read_amount
from core.settings import Settings
from core.states import BatchState, JobState
from db import batches, budgets, catalogues, listings, redo, samples
from db.catalogues import KeptCatalogue
from db.failures import FailureGroup
from db.listings import JobRow
from db.photo_pages import PhotoOrder, PhotoPage
from db.redo import Redo
from db.session import transact
from db.users import Role

MOST_BATCHES = 40
PhotosShown = tuple[list[JobRow], dict[int, list[Redo]]]
BatchId = Annotated[int, Path(ge=1, le=MOST_ID)]


def batches_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of batches."""
    router = APIRouter(prefix="/batches")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Operator = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    consent = Consent(engine, pages)

    @router.get("")
    def show_all(
        request: Request,
        visitor: Viewer,
        state: BatchState | None = None,
        before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
        problems: bool = False,
    ) -> Response:
        def work(connection: Connection) -> list[BatchView]:
            rows = batches.newest(connection, MOST_BATCHES, before=before, state=state, with_problems=problems)
            return look_at_batches(connection, settings, rows)

        found = transact(engine, work)
        more = found[-1].row.id if len(found) == MOST_BATCHES else None
        return pages.show(
            request,
            "batches.html",
            visitor,
            batches=found,
            state=state or "",
            states=list(BatchState),
            more=more,
            problems=problems,
        )

    @router.get("/{batch_id}")
    def show(
        request: Request,
        batch_id: BatchId,
        visitor: Viewer,
        chosen: Chosen,
        spot: ChosenSpot,
    ) -> Response:
        def work(
            connection: Connection,
        ) -> tuple[PhotoPage, PhotosShown, list[FailureGroup], list[str], KeptCatalogue | None]:
            signed = [describe_sign_off(sample) for sample in samples.list_signed(connection, batch_id)]
            page = find_page(connection, batch_id, chosen, spot)
            photos = listings.list_these(connection, page.ids), redo.list_of(connection, page.ids)
            return page, photos, find_groups(connection, batch_id), signed, catalogues.find(connection, batch_id)

        batch = look_at_batch(engine, settings, batch_id)
        page, (jobs, redos), groups, signed, catalogue = transact(engine, work)
        return pages.show(
            request,
            "batch.html",
            visitor,
            batch=batch,
            jobs=jobs,
            redos=redos,
            range=PageRange(spot.at, len(jobs), page.total, PAGE, is_more=page.is_more),
            order=page.order,
            orders=list(PhotoOrder),
            spot=spot,
            groups=groups,
            filter=chosen,
            states=list(JobState),
            signed=signed,
            catalogue=catalogue,
            settings=settings,
        )

    @router.post("/{batch_id}/{action}")
    def steer(request: Request, batch_id: BatchId, action: str, visitor: Operator, sent: Sent) -> Response:
        if action not in STEERING:
            raise PageError(404, "There is no such action for a batch.")
        asked = Asked(sent, settings)

        def ask(connection: Connection) -> Question | None:
            return ASKING[action](connection, batch_id, asked) if action in ASKING else None

        def work(connection: Connection) -> str:
            return STEERING[action](connection, visitor.user.name, batch_id, asked)

        return consent.do(
            request,
            visitor,
            sent,
            ask=ask,
            work=work,
            back=f"/batches/{batch_id}",
            instead=("Review the canary", canary_of(batch_id)) if action == "resume" else None,
        )

    return router


class EndedAlike(TypedDict):
    """Which photos of a batch go round again."""

    state: JobState
    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks of a batch, and of whose account."""

    sent: FormData
    settings: Settings


def _pause(connection: Connection, actor: str, batch_id: int, _: Asked) -> str:
    done = steered.pause(connection, actor, batch_id)
    return (
        "Paused: no new calls are made; calls in progress finish." if done.is_changed else "The batch was not running."
    )


def _resume(connection: Connection, actor: str, batch_id: int, asked: Asked) -> str:
    done = steered.resume(connection, actor, batch_id, asked.settings)
    return f"Resumed. {done.words}".rstrip() if done.is_changed else "The batch was not paused."


def _cancel(connection: Connection, actor: str, batch_id: int, _: Asked) -> str:
    done = steered.cancel(connection, actor, batch_id)
    if not done.is_changed:
        return "The batch had already ended."
    return f"Cancelled: {counted(done.photos, 'photo')} will not be called. {done.words}".rstrip()


def _requeue(connection: Connection, actor: str, batch_id: int, asked: Asked) -> str:
    which = _which(asked.sent)
    found = send_again.requeue(connection, actor, batch_id, asked.settings, **which)
    if not found:
        return "Nothing to retry."
    return f"Retrying {send_again.describe(found, which['state'], which['code'])}."


def _ask_requeue(connection: Connection, batch_id: int, asked: Asked) -> Question | None:
    return questions.ask_requeue(connection, batch_id, asked.settings, **_which(asked.sent))


def _which(sent: FormData) -> EndedAlike:
    state, code = sent.get("state"), _told(sent, "code")
    return {
        "state": JobState(state) if state in {JobState.HELD, JobState.CANCELLED} else send_again.state_of(code),
        "code": code,
        "message": _told(sent, "message"),
    }


def _budget(connection: Connection, actor: str, batch_id: int, asked: Asked) -> str:
    calls, cost = field_of(asked.sent, "max_calls"), field_of(asked.sent, "max_cost")
    if calls and not (calls.isascii() and calls.isdecimal() and len(calls) <= 12):
        raise PageError(422, "The call limit must be a whole number. Nothing was changed.")
    row = set_limits(
        connection,
        actor,
        batch_id,
        asked.settings,
        max_calls=int(calls) if calls else None,
        max_cost=read_amount(cost) if cost else None,
    )
    waits = " It still waits for budget." if row.pause_reason == budgets.PAUSE_REASON else ""
    return f"Budget: {describe_budget(row, asked.settings)}.{waits}"


def canary_of(batch_id: int) -> str:
    """Return where the photos of a batch are seen that went first."""
    return f"/batches/{batch_id}?canary=1#photos"


def _told(sent: FormData, name: str) -> str | None:
    value = sent.get(name)
    return value[:2000] if isinstance(value, str) and "\0" not in value else None


ASKING = {
    "cancel": lambda connection, batch_id, asked: questions.ask_cancel(connection, batch_id, asked.settings),
    "resume": lambda connection, batch_id, asked: questions.ask_resume(connection, batch_id, asked.settings),
    "requeue": _ask_requeue,
}
STEERING = {"pause": _pause, "resume": _resume, "cancel": _cancel, "requeue": _requeue, "budget": _budget}
