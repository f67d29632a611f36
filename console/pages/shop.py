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
from core.figures import counted
from core.settings import Settings
from db import connections, shop_events, writeback_lists
from db.connections import WRITEBACKS
from db.session import transact
from db.users import Role
from producer.webhooks.guides import GUIDES
from producer.webhooks.shop_intake import Ours

Number = Annotated[int, Path(ge=1, le=MOST_ID)]
PAGE = 48
LABELS = {
    "expected": "not clean yet",
    "clean": "waiting for you",
    "due": "in progress",
    "written": "in the shop",
    "skipped": "changed in the shop",
    "failed": "failed",
    "restoring": "originals in progress",
    "restored": "originals restored",
}


Words = Callable[[int], str]
"""What is said of so many photos that were moved."""


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


_RELEASE = OffersOf("release", "Write these to the shop", "Write all to the shop (%s)")
_AGAIN = OffersOf("again", "Retry these", "Retry all (%s)")
_RESTORE = OffersOf("restore", "Restore these originals", "Restore all originals (%s)")
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
                raise PageError(404, f"There is no connection {number}.")
            return {
                "shop": shop,
                "counts": writeback_lists.count_each(connection, number),
                "photos": writeback_lists.list_some(
                    connection, number, state, after=min(max(after, 0), MOST_ID), limit=PAGE
                ),
                "webhooks": shop_events.list_webhooks(connection, number),
                "callbacks": shop_events.list_callbacks(connection, number),
                "written": writeback_lists.list_ended(connection, number),
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
            told=GUIDES[found["shop"].platform],
            url=f"{settings.web_url}/webhooks/",
        )

    def move(
        number: int,
        visitor: Visitor,
        sent: FormData,
        act: Callable[[Connection, str, int, Sequence[int] | None], int],
        words: Words,
    ) -> Response:
        ids = None if field_of(sent, "all") else _chosen(sent)
        count = transact(engine, lambda connection: act(connection, visitor.user.name, number, ids))
        return pages.go(f"/connections/{number}", words(count))

    @router.post("/release")
    def release(number: Number, visitor: Acting, sent: Sent) -> Response:
        return move(
            number, visitor, sent, writebacks.release, lambda count: f"Writing {counted(count, 'photo')} to the shop."
        )

    @router.post("/again")
    def again(number: Number, visitor: Acting, sent: Sent) -> Response:
        return move(number, visitor, sent, writebacks.send_again, lambda count: f"Retrying {counted(count, 'photo')}.")

    @router.post("/restore")
    def restore(number: Number, visitor: Acting, sent: Sent) -> Response:
        return move(
            number,
            visitor,
            sent,
            writebacks.restore,
            lambda count: f"Restoring {counted(count, 'original')} in the shop.",
        )

    @router.post("/pause")
    def pause(number: Number, visitor: Acting) -> Response:
        transact(engine, lambda connection: writebacks.pause_writing(connection, visitor.user.name, number))
        return pages.go(f"/connections/{number}", "Paused: nothing more is written to this shop.")

    @router.post("/resume")
    def resume(number: Number, visitor: Acting) -> Response:
        transact(engine, lambda connection: writebacks.resume_writing(connection, visitor.user.name, number))
        return pages.go(f"/connections/{number}", "Resumed writing to this shop.")

    @router.post("/writeback")
    def set_mode(number: Number, visitor: Admin, sent: Sent) -> Response:
        mode = field_of(sent, "mode")
        transact(engine, lambda connection: writebacks.set_mode(connection, visitor.user.name, number, mode))
        return pages.go(f"/connections/{number}", f"Write-back is now {mode}.")

    @router.post("/callbacks/{callback}/again")
    def tell_again(number: Number, callback: Annotated[int, Path(ge=1, le=MOST_ID)], visitor: Acting) -> Response:
        transact(engine, lambda connection: callbacks.tell_again(connection, visitor.user.name, number, callback))
        return pages.go(f"/connections/{number}", "Sending the callback again.")

    @router.post("/webhooks/{webhook}/again")
    def take_again(number: Number, webhook: Annotated[int, Path(ge=1, le=MOST_ID)], visitor: Acting) -> Response:
        name, ours = visitor.user.name, Ours.of(settings)
        jobs = transact(engine, lambda connection: webhooks.take_again(connection, name, number, webhook, ours=ours))
        return pages.go(f"/connections/{number}", f"Processed again: {counted(jobs, 'new photo')}.")

    return router


def _chosen(sent: FormData) -> list[int]:
    told = [str(each) for each in sent.getlist("photo")]
    if not all(each.isdecimal() and len(each) < 19 for each in told):
        raise UsageError("These are not photos.")
    return [int(each) for each in told]
