"""`/connections/<id>`: one shop, the clean photos that go back into it, and what it told and was told last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions import callbacks, webhooks, writebacks
from console.api.fields import MOST_ID
from console.pages.forms import Sent, field_of
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor
from core.errors import UsageError
from core.settings import Settings
from db import connections, shop_events, writeback_lists
from db.connections import WRITEBACKS
from db.session import transact
from db.users import Role
from producer.webhooks.shop_intake import Ours

Number = Annotated[int, Path(ge=1, le=MOST_ID)]
PAGE = 48
LABELS = {
    "expected": "not clean yet",
    "clean": "wait for you",
    "due": "on their way",
    "written": "in the shop",
    "skipped": "changed in the shop",
    "failed": "failed",
    "restoring": "originals on their way",
    "restored": "originals back",
}


@dataclass(frozen=True, slots=True)
class OffersOf:
    """What can be done with photos of a state.

    Args:
        path: Below the shop's page.
        some: What the button says for those that are chosen.
        all: What it says for all, with their number.
    """

    path: str
    some: str
    all: str


_RELEASE = OffersOf("release", "Put these into the shop", "Put %d photos into the shop")
_AGAIN = OffersOf("again", "Send these again", "Send all %d again")
_RESTORE = OffersOf("restore", "Put these originals back", "Put all %d originals back")
OFFERS = {"clean": _RELEASE, "failed": _AGAIN, "skipped": _AGAIN, "written": _RESTORE}


def shop_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of one shop."""
    router = APIRouter(prefix="/connections/{number}")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.OPERATOR))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    Admin = Annotated[Visitor, Depends(guard.acting(Role.ADMIN))]

    @router.get("")
    def show(request: Request, number: Number, visitor: Viewer, state: str = "clean", after: int = 0) -> Response:
        state = state if state in LABELS else "clean"

        def work(connection: Connection) -> dict[str, Any]:
            shop = connections.find_open(connection, number)
            if shop is None:
                raise PageError(404, f"There is no open connection {number}.")
            return {
                "shop": shop,
                "counts": writeback_lists.count_each(connection, number),
                "photos": writeback_lists.list_some(
                    connection, number, state, after=min(max(after, 0), MOST_ID), limit=PAGE
                ),
                "webhooks": shop_events.list_webhooks(connection, number),
                "callbacks": shop_events.list_callbacks(connection, number),
            }

        found = transact(engine, work)
        return pages.show(
            request,
            "connection.html",
            visitor,
            **found,
            state=state,
            labels=LABELS,
            does=OFFERS.get(state),
            next=found["photos"][-1].id if len(found["photos"]) == PAGE else None,
            writebacks=WRITEBACKS,
            most=writeback_lists.MOST_COUNTED,
        )

    def move(
        number: int,
        visitor: Visitor,
        sent: FormData,
        act: Callable[[Connection, str, int, Sequence[int] | None], int],
        words: str,
    ) -> Response:
        ids = None if field_of(sent, "all") else _chosen(sent)
        count = transact(engine, lambda connection: act(connection, visitor.user.name, number, ids))
        return pages.go(f"/connections/{number}", words.format(count))

    @router.post("/release")
    def release(number: Number, visitor: Acting, sent: Sent) -> Response:
        return move(number, visitor, sent, writebacks.release, "{} photos go into the shop.")

    @router.post("/again")
    def again(number: Number, visitor: Acting, sent: Sent) -> Response:
        return move(number, visitor, sent, writebacks.send_again, "{} photos are tried again.")

    @router.post("/restore")
    def restore(number: Number, visitor: Acting, sent: Sent) -> Response:
        return move(number, visitor, sent, writebacks.restore, "{} originals go back into the shop.")

    @router.post("/pause")
    def pause(number: Number, visitor: Acting) -> Response:
        transact(engine, lambda connection: writebacks.pause_writing(connection, visitor.user.name, number))
        return pages.go(f"/connections/{number}", "Nothing is written into this shop any more.")

    @router.post("/resume")
    def resume(number: Number, visitor: Acting) -> Response:
        transact(engine, lambda connection: writebacks.resume_writing(connection, visitor.user.name, number))
        return pages.go(f"/connections/{number}", "Writing goes on.")

    @router.post("/writeback")
    def set_mode(number: Number, visitor: Admin, sent: Sent) -> Response:
        mode = field_of(sent, "mode")
        transact(engine, lambda connection: writebacks.set_mode(connection, visitor.user.name, number, mode))
        return pages.go(f"/connections/{number}", f"Write-back is {mode}.")

    @router.post("/callbacks/{callback}/again")
    def tell_again(number: Number, callback: Annotated[int, Path(ge=1, le=MOST_ID)], visitor: Acting) -> Response:
        transact(engine, lambda connection: callbacks.tell_again(connection, visitor.user.name, number, callback))
        return pages.go(f"/connections/{number}", "It is told again.")

    @router.post("/webhooks/{webhook}/again")
    def take_again(number: Number, webhook: Annotated[int, Path(ge=1, le=MOST_ID)], visitor: Acting) -> Response:
        name, ours = visitor.user.name, Ours.of(settings)
        jobs = transact(engine, lambda connection: webhooks.take_again(connection, name, number, webhook, ours=ours))
        return pages.go(f"/connections/{number}", f"It was read again: {jobs} photos are new.")

    return router


def _chosen(sent: FormData) -> list[int]:
    told = [str(each) for each in sent.getlist("photo")]
    if not all(each.isdecimal() and len(each) < 19 for each in told):
        raise UsageError("These are no photos.")
    return [int(each) for each in told]
