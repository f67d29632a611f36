"""`POST /webhooks/{slug}`: verified, kept, and answered within milliseconds; what follows is the dispatcher's."""

import logging
import re
import time
from contextlib import suppress
from functools import partial

from fastapi import APIRouter, Depends, HTTPException, Request
from sqlalchemy import Engine
from starlette.requests import ClientDisconnect

from console.pools import WEBHOOKS
from core.errors import DatabaseDown
from core.settings import Settings
from db import connections
from db.connections import ShopConnection
from db.session import transact
from producer.webhooks.delivery import BadDelivery, BadSignature, Incoming
from producer.webhooks.platforms import PLATFORMS
from producer.webhooks.shop_intake import Ours, Taken, take_in

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000
SLUG = re.compile(r"[A-Za-z0-9_-]{1,100}")


async def read_incoming(request: Request) -> Incoming:
    """Return a request's headers and raw body.

    Raises:
        HTTPException: 413, as soon as the body is over 1 MB.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise HTTPException(413, f"The body is over {MOST_BYTES} bytes.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise HTTPException(413, f"The body is over {MOST_BYTES} bytes.")
    except ClientDisconnect as error:
        raise HTTPException(400, "The body ended too early.") from error
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return Incoming(headers, bytes(body), time.time())


def find_shop(engine: Engine, slug: str) -> ShopConnection | None:
    """Return the open connection behind the end of a URL, or None.

    Raises:
        DatabaseDown: It does not answer at once; shops send again.
    """
    if not SLUG.fullmatch(slug):
        return None
    return transact(engine, lambda connection: connections.find(connection, slug), patience_seconds=0)


def webhooks_router(engine: Engine, settings: Settings) -> APIRouter:
    """Return the route that shops post to."""
    router = APIRouter(tags=["webhooks"])

    def remember(shop: ShopConnection | None, error: Exception) -> None:
        if shop is not None:
            # Whoever looks for webhooks that do not come finds it on the connection's page.
            with suppress(DatabaseDown):
                note = partial(connections.note_refused, connection_id=shop.id, why=str(error))
                transact(engine, note, patience_seconds=0)

    @router.post("/webhooks/{slug}", status_code=200)
    @WEBHOOKS.serves
    def receive(slug: str, incoming: Incoming = Depends(read_incoming)) -> dict[str, object]:  # noqa: B008
        shop: ShopConnection | None = None
        try:
            shop = find_shop(engine, slug)
            if shop is None:
                raise HTTPException(404, "There is no such connection.")
            platform = PLATFORMS[shop.platform]
            platform.verify(incoming, shop.secrets)
            delivery = platform.read(incoming)
            taken: Taken = transact(
                engine,
                lambda connection: take_in(connection, shop, delivery, body=incoming.body, ours=Ours.of(settings)),
                patience_seconds=0,
            )
        except BadSignature as error:
            log.warning("a webhook for %s was refused: %s", slug[:6], error)
            remember(shop, error)
            raise HTTPException(401, str(error)) from error
        except BadDelivery as error:
            remember(shop, error)
            raise HTTPException(400, str(error)) from error
        except DatabaseDown as error:
            raise HTTPException(503, "The database does not answer; send it again.", {"Retry-After": "5"}) from error
        log.info(
            "shop %s: %s, %s jobs%s", shop.shop, delivery.topic, taken.jobs, "" if taken.is_new else ", seen before"
        )
        return {"received": True, "new": taken.is_new, "jobs": taken.jobs}

    return router
