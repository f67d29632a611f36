"""`/connections`: shops that may send webhooks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions.connections import Connected
from actions.connections import close as close_connection
from actions.connections import connect as connect_shop
from actions.connections import rotate as rotate_secret
from console.api.fields import MOST_ID
from console.pages.forms import Sent, field_of
from console.pages.rendering import Pages, ShownOnce
from console.pages.visitor import Guard, Visitor
from core.errors import NotFound, UsageError
from core.settings import Settings
from core.states import Lane
from db import connections
from db.connections import WRITEBACKS
from db.session import transact
from db.users import Role
from producer.catalogue.item import read_elements
from producer.webhooks.guides import GUIDES
from producer.webhooks.platforms import PLATFORMS

Number = Annotated[int, Path(ge=1, le=MOST_ID)]


def shops_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of connections."""
    router = APIRouter(prefix="/connections")
    Admin = Annotated[Visitor, Depends(guard.needs(Role.ADMIN))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.ADMIN))]

    def show_connections(
        request: Request, visitor: Visitor, *, wrong: str = "", made: ShownOnce | None = None
    ) -> Response:
        found = transact(engine, connections.list_open)
        return pages.show(
            request,
            "connections.html",
            visitor,
            status=422 if wrong else 200,
            shops=found,
            platforms=list(PLATFORMS),
            guides=GUIDES,
            lanes=list(Lane),
            writebacks=WRITEBACKS,
            url=f"{settings.web_url}/webhooks/",
            wrong=wrong,
            made=made or [],
        )

    @router.get("")
    def all_connections(request: Request, visitor: Admin) -> Response:
        return show_connections(request, visitor)

    @router.post("")
    def connect(request: Request, visitor: Acting, sent: Sent) -> Response:
        try:
            made = transact(engine, lambda connection: _connect(connection, visitor.user.name, sent, settings))
        except UsageError as error:
            return show_connections(request, visitor, wrong=str(error))
        shown = [("Webhook URL for the shop", f"{settings.web_url}/webhooks/{made.shop.slug}")]
        if not field_of(sent, "secret"):
            guide = GUIDES[made.shop.platform]
            shown.append(
                (f"{guide.title} signs with a secret of its own", "enter it on the connection's page")
                if guide.brings_secret
                else ("Secret", made.secret)
            )
        if made.callback_secret is not None:
            shown.append(("Callback secret", made.callback_secret))
        return show_connections(request, visitor, made=shown)

    @router.post("/{number}/rotate")
    def rotate(request: Request, number: Number, visitor: Acting, sent: Sent) -> Response:
        given = field_of(sent, "secret") or None
        try:
            made = transact(engine, lambda connection: rotate_secret(connection, visitor.user.name, number, given))
        except UsageError as error:
            if isinstance(error, NotFound):
                raise
            return show_connections(request, visitor, wrong=str(error))
        if given is not None:
            return pages.go(f"/connections/{number}", "The secret is set; the previous one stays valid until the next.")
        shown = [(f"New secret of {made.shop.shop}; the previous one stays valid too", made.secret)]
        return show_connections(request, visitor, made=shown)

    @router.post("/{number}/close")
    def close(number: Number, visitor: Acting) -> Response:
        transact(engine, lambda connection: close_connection(connection, visitor.user.name, number))
        return pages.go("/connections", f"Connection {number} is closed.")

    return router


def _connect(connection: Connection, actor: str, sent: FormData, settings: Settings) -> Connected:
    elements = read_elements([str(each) for each in sent.getlist("element")], "Remove")
    lane = str(sent.get("lane") or Lane.INTERACTIVE)
    if lane not in set(Lane):
        raise UsageError("There is no such lane.")
    return connect_shop(
        connection,
        actor,
        platform=str(sent.get("platform") or ""),
        shop=field_of(sent, "shop"),
        elements=elements,
        lane=Lane(lane),
        strip_metadata=bool(field_of(sent, "strip_metadata")),
        secret=field_of(sent, "secret") or None,
        api_url=field_of(sent, "api_url"),
        api_token=field_of(sent, "api_token"),
        match=field_of(sent, "match") or None,
        callback_url=field_of(sent, "callback_url") or None,
        writeback=field_of(sent, "writeback") or "off",
        token_keys=settings.shop_token_key.get_secret_value(),
        outputs_url=settings.artifacts_url,
    )
