"""`GET /metrics`: for Prometheus on this machine, or with a token that may read."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, HTTPException, Request, Response
from sqlalchemy import Engine

from console.pools import HEALTH
from core.metrics import CONTENT_TYPE, registry_of, render
from core.settings import Settings
from db import tokens
from db.session import transact
from db.tokens import Scope
from producer.fleet_metrics import FleetCollector

HERE = {"127.0.0.1", "::1"}
NAMES_OF_HERE = {*HERE, "localhost", None}
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")


def metrics_router(engine: Engine, settings: Settings) -> APIRouter:
    """Return the route of metrics."""
    router = APIRouter(include_in_schema=False)
    registry = registry_of(FleetCollector(engine, settings))
    # A proxy on this machine may pass on what others ask and not say so.
    is_public = urlsplit(settings.web_public_url).hostname not in NAMES_OF_HERE

    @router.get("/metrics")
    @HEALTH.serves
    def show(request: Request, authorization: Annotated[str, Header()] = "") -> Response:
        if not ((not is_public and _is_here(request)) or _may_read(authorization)):
            raise HTTPException(401, "Send a token with the scope `read`.", {"WWW-Authenticate": "Bearer"})
        return Response(render(registry), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    def _may_read(told: str) -> bool:
        kind, _, token = told.partition(" ")
        if kind.lower() != "bearer":
            return False
        found = transact(engine, lambda connection: tokens.find(connection, token.strip()))
        return found is not None and Scope.READ.value in found.scopes

    return router


def _is_here(request: Request) -> bool:
    # A proxy on this machine passes on what others ask.
    is_direct = not any(name in request.headers for name in FORWARDED)
    return is_direct and request.client is not None and request.client.host in HERE
