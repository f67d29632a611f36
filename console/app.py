"""The ASGI application that `cleanplate web` serves."""

from fastapi import FastAPI
from sqlalchemy import Engine

from console.artifacts import artifacts_router
from console.webhooks import webhooks_router
from core.settings import Settings


def make_app(engine: Engine, settings: Settings) -> FastAPI:
    """Return the application.

    Args:
        engine: The database, migrated.
        settings: Of this process.
    """
    app = FastAPI(title="Cleanplate", version="1", docs_url=None, redoc_url=None)
    app.include_router(webhooks_router(engine, settings))
    app.include_router(artifacts_router(engine, settings))
    return app
