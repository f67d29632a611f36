"""`/batches/N/samples`: looking at some photos of a batch, drawn at random, and signing it off by them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from actions import samples as signing
from actions import selection
from actions.confidence import most_bad
from actions.samples import describe_draw, describe_sign_off
from console.api.fields import MOST_ID
from console.pages.batch import BatchId
from console.pages.forms import Sent, field_of
from console.pages.rendering import Pages
from console.pages.selection import SheetFilter, ticked_in
from console.pages.visitor import Guard, PageError, Visitor
from core.settings import Settings
from db import batches, samples, sheets
from db.batches import BatchRow
from db.samples import PhotoSample
from db.session import transact
from db.sheets import SheetOrder, SheetPage, SheetScope, Show
from db.users import Role

SampleId = Annotated[int, Path(ge=1, le=MOST_ID)]


def samples_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of samples."""
    router = APIRouter(prefix="/batches/{batch_id}/samples")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Operator = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]

    @router.post("")
    def draw(batch_id: BatchId, visitor: Operator, sent: Sent) -> Response:
        told = field_of(sent, "size")
        if not (told.isascii() and told.isdecimal() and len(told) <= 9):
            raise PageError(422, "A sample's size must be a whole number. Nothing was changed.")
        drawn = transact(engine, lambda connection: signing.draw(connection, visitor.user.name, batch_id, int(told)))
        return pages.go(f"/batches/{batch_id}/samples/{drawn.id}")

    @router.get("/{sample_id}")
    def show(request: Request, batch_id: BatchId, sample_id: SampleId, visitor: Viewer) -> Response:
        def work(connection: Connection) -> tuple[BatchRow, PhotoSample, SheetPage]:
            sample = _require(connection, batch_id, sample_id)
            # What was rejected since is still of the sample.
            scope = SheetScope(batch_id, Show.ALL, job_ids=tuple(sample.job_ids))
            page = sheets.look(connection, scope, SheetOrder.DOUBT, None, len(sample.job_ids) + 1)
            return batches.require(connection, batch_id), sample, page

        row, sample, page = transact(engine, work)
        size = len(sample.job_ids)
        return pages.show(
            request,
            "sheet.html",
            visitor,
            batch=row,
            page=page,
            total=size,
            filter=SheetFilter(),
            sample=sample,
            told=describe_sign_off(sample) if sample.signed_at else describe_draw(sample),
            bounds=[most_bad(size, bad) for bad in range(size + 1)],
            undoable=None,
            settings=settings,
        )

    @router.post("/{sample_id}/sign-off")
    def sign_off(batch_id: BatchId, sample_id: SampleId, visitor: Operator, sent: Sent) -> Response:
        def work(connection: Connection) -> str:
            sample = _require(connection, batch_id, sample_id)
            bad = sample.job_ids if sent.get("all") else ticked_in(sent)
            signing.sign_off(connection, visitor.user.name, sample_id, bad)
            if bad and sent.get("reject"):
                selection.reject_all(connection, visitor.user.name, batch_id, bad, f"bad in sample {sample_id}")
            return "Signed off."

        return pages.go(f"/batches/{batch_id}", transact(engine, work))

    return router


def _require(connection: Connection, batch_id: int, sample_id: int) -> PhotoSample:
    found = samples.find(connection, sample_id)
    if found is None or found.batch_id != batch_id:
        raise PageError(404, f"There is no sample {sample_id} of batch {batch_id}.")
    return found
