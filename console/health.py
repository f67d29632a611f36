"""`GET /healthz`: whether this process can do its work."""

from fastapi import APIRouter
from sqlalchemy import Engine

from console.pools import HEALTH
from db.session import now, transact


def health_router(engine: Engine) -> APIRouter:
    """Return the route; it answers 503 while PostgreSQL does not."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    @HEALTH.serves
    def show() -> dict[str, str]:
        transact(engine, now)
        return {"status": "ok"}

    return router
