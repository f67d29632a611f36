"""`/batches/N/sheet`: the contact sheet of a batch, and deciding about many of its photos at once."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions import questions, selection
from actions.selection import DecidedAll
from console.pages.batch import BatchId
from console.pages.consent import Consent
from console.pages.forms import Sent, field_of
from console.pages.photos import Photos
from console.pages.redone import Redoing
from console.pages.rendering import Pages
from console.pages.selection import (
    ChosenPlace,
    ChosenSheet,
    Ids,
    SheetFilter,
    chosen_in,
    decision_in,
    filter_of,
)
from console.pages.visitor import Guard, PageError, Visitor
from core.errors import NotFound, Refused
from core.figures import counted
from core.settings import Settings
from db import batches, decisions, sheets
from db.batches import BatchRow
from db.decisions import Undoable
from db.session import transact
from db.sheets import SheetOrder, SheetPage, Show
from db.users import Role

PAGE = 60
Work = Callable[[Connection], str]


def sheet_router(engine: Engine, guard: Guard, pages: Pages, photos: Photos, settings: Settings) -> APIRouter:
    """Return the routes of contact sheets."""
    router = APIRouter(prefix="/batches/{batch_id}/sheet")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Operator = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    consent, redoing = Consent(engine, pages), Redoing(engine, pages, photos, settings)

    @router.get("")
    def show(
        request: Request,
        batch_id: BatchId,
        visitor: Viewer,
        chosen: ChosenSheet,
        place: ChosenPlace,
        undo: UUID | None = None,
    ) -> Response:
        def work(connection: Connection) -> tuple[BatchRow, SheetPage, int, Undoable | None]:
            row = batches.require(connection, batch_id)
            scope = chosen.scope(batch_id)
            page = sheets.look(connection, scope, chosen.order, place, PAGE)
            found = decisions.find(connection, undo, batch_id, visitor.user.name) if undo else None
            return row, page, sheets.count(connection, scope), found

        row, page, total, undoable = transact(engine, work)
        return pages.show(
            request,
            "sheet.html",
            visitor,
            batch=row,
            page=page,
            total=total,
            filter=chosen,
            shows=list(Show),
            orders=list(SheetOrder),
            sample=None,
            undoable=undoable if undoable and undoable.seconds_left > 0 else None,
            settings=settings,
        )

    @router.get("/more")
    def more(
        request: Request, batch_id: BatchId, visitor: Viewer, chosen: ChosenSheet, place: ChosenPlace, ids: Ids = ""
    ) -> Response:
        scope = chosen.scope(batch_id, ids)
        size = PAGE if scope.job_ids is None else len(scope.job_ids) + 1
        page = transact(engine, lambda connection: sheets.look(connection, scope, chosen.order, place, size))
        return pages.show(request, "parts/sheet_photos.html", visitor, page=page, filter=chosen, sample=None)

    @router.post("/{action}")
    def act(request: Request, batch_id: BatchId, action: str, visitor: Operator, sent: Sent) -> Response:
        back = sheet_of(batch_id, filter_of(sent))
        who = visitor.user.name
        if action == "undo":
            return pages.go(back, said_of(lambda connection: _undo(connection, who, batch_id, sent)))
        ids = transact(engine, lambda connection: chosen_in(connection, batch_id, sent))
        if action == "requeue":
            return consent.do(
                request,
                visitor,
                sent,
                ask=lambda connection: questions.ask_requeue_all(connection, batch_id, ids, settings),
                work=lambda connection: _say(
                    "Retrying", selection.requeue_all(connection, who, batch_id, ids, settings)
                ),
                back=back,
            )
        if action == "redo":
            return redoing.do(request, visitor, sent, batch_id, ids, back)
        if action not in {"accept", "reject"}:
            raise PageError(404, "There is no such action for photos.")
        decided = transact(engine, lambda connection: _decide(connection, who, batch_id, action, ids, sent))
        said = _say("Accepted" if action == "accept" else "Rejected", decided)
        return pages.go(sheet_of(batch_id, filter_of(sent), decided.undo), said)

    def said_of(work: Work) -> str:
        try:
            return transact(engine, work)
        except (Refused, NotFound) as error:
            return str(error)

    return router


def sheet_of(batch_id: int, chosen: SheetFilter, undo: UUID | None = None) -> str:
    """Return where a contact sheet is, with what takes the last decision back."""
    return f"/batches/{batch_id}/sheet?{chosen.query(undo=undo)}"


def _decide(connection: Connection, who: str, batch_id: int, action: str, ids: list[int], sent: FormData) -> DecidedAll:
    if action == "accept":
        return selection.accept_all(connection, who, batch_id, ids)
    return selection.reject_all(connection, who, batch_id, ids, field_of(sent, "reason")[:500])


def _undo(connection: Connection, who: str, batch_id: int, sent: FormData) -> str:
    undone = selection.undo(connection, who, batch_id, decision_in(sent))
    return f"Undone: {counted(undone, 'photo is', 'photos are')} as before."


def _say(what: str, decided: DecidedAll) -> str:
    over = decided.passed_over
    also = f" {counted(over, 'photo was', 'photos were')} left alone: this does not apply to them." if over else ""
    return f"{what}: {counted(decided.photos, 'photo')}.{also}"
