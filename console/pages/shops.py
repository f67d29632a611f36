"""`/connections`: shops that may send webhooks."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import Engine
from starlette.datastructures import FormData

from console.api.words import MOST_ID
from console.pages.acts import Made, act, told
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor, read_form
from core.errors import UsageError
from core.settings import Settings
from core.states import Lane
from db import connections
from db.session import transact
from db.users import Role
from producer.catalogue.item import read_elements
from producer.catalogue.url_list import check_url
from producer.webhooks.platforms import PLATFORMS
from producer.webhooks.shop_secrets import check_secret, new_secret

Number = Annotated[int, Path(ge=1, le=MOST_ID)]


def shops_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of connections."""
    router = APIRouter(prefix="/connections")
    Admin = Annotated[Visitor, Depends(guard.needs(Role.ADMIN))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.ADMIN))]
    Sent = Annotated[FormData, Depends(read_form)]

    def show_connections(request: Request, visitor: Visitor, *, wrong: str = "", made: Made | None = None) -> Response:
        found = transact(engine, connections.list_open)
        return pages.show(
            request,
            "connections.html",
            visitor,
            status=422 if wrong else 200,
            shops=found,
            platforms=list(PLATFORMS),
            lanes=list(Lane),
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
            platform, shop, options = _read_connection(sent)
            given = told(sent, "secret")
            secret = given or new_secret(platform)
            check_secret(platform, secret)
        except UsageError as error:
            return show_connections(request, visitor, wrong=str(error))
        made = act(
            engine,
            visitor,
            "connect",
            f"shop {shop}",
            lambda connection: connections.create(
                connection, platform=platform, shop=shop, secret=secret, options=options
            ),
            platform,
        )
        shown = [("URL to give to the shop", f"{settings.web_url}/webhooks/{made.slug}")]
        if not given:
            shown.append(("Secret", secret))
        if "callback_secret" in options:
            shown.append(("Secret of callbacks", options["callback_secret"]))
        return show_connections(request, visitor, made=shown)

    @router.post("/{number}/rotate")
    def rotate(request: Request, number: Number, visitor: Acting) -> Response:
        found = {shop.id: shop for shop in transact(engine, connections.list_open)}
        if number not in found:
            raise PageError(404, f"There is no open connection {number}.")
        secret = new_secret(found[number].platform)
        act(
            engine,
            visitor,
            "rotate secret",
            f"connection {number}",
            lambda connection: connections.add_secret(connection, number, secret),
        )
        return show_connections(
            request, visitor, made=[(f"New secret of {found[number].shop}; the one before stays valid, too", secret)]
        )

    @router.post("/{number}/close")
    def close(number: Number, visitor: Acting) -> Response:
        done = act(
            engine, visitor, "close", f"connection {number}", lambda connection: connections.close(connection, number)
        )
        return pages.go("/connections", f"Connection {number} is {'closed' if done else 'not open'}.")

    return router


def _read_connection(sent: FormData) -> tuple[str, str, dict[str, Any]]:
    platform, shop = str(sent.get("platform") or ""), told(sent, "shop")
    if platform not in PLATFORMS:
        raise UsageError("There is no such platform.")
    if not shop:
        raise UsageError("The shop needs a name.")
    outside = read_elements([str(each) for each in sent.getlist("element")], "What to take off")
    lane = str(sent.get("lane") or Lane.INTERACTIVE)
    if not outside:
        raise UsageError("Tick at least one thing to take off.")
    if lane not in set(Lane):
        raise UsageError("There is no such lane.")
    options: dict[str, Any] = {"elements": outside, "lane": lane}
    if platform == "bigcommerce":
        url, token = told(sent, "api_url"), told(sent, "api_token")
        if not url or not token:
            raise UsageError("BigCommerce needs its API's URL and a token: its webhooks carry no photos.")
        options |= {"api_url": check_url(url, "API URL"), "api_token": token}
    if match := told(sent, "match"):
        try:
            re.compile(match)
        except re.error as error:
            raise UsageError(f"{match!r} is no regular expression: {error}.") from error
        options["match"] = match
    if callback := told(sent, "callback_url"):
        options |= {"callback_url": check_url(callback, "Callback URL"), "callback_secret": new_secret("standard")}
    return platform, shop, options
