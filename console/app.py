"""The ASGI application that `cleanplate web` serves."""

from fastapi import FastAPI
from sqlalchemy import Engine

from console.api.access import access
from console.api.alarms import alarms_router
from console.api.batches import batches_router
from console.api.context import ApiContext
from console.api.found import search_router
from console.api.jobs import jobs_router
from console.api.money import money_router
from console.api.new_batches import making_router
from console.api.problems import add_problem_handlers
from console.api.results import results_router
from console.artifacts import artifacts_router
from console.health import health_router
from console.limits import BodyLimit
from console.metrics import metrics_router
from console.pages.console import add_console
from console.pages.visitor import Guard
from console.requests import RequestIds
from console.senders import senders
from console.webhooks import webhooks_router
from core.settings import Settings


def make_app(engine: Engine, settings: Settings) -> FastAPI:
    """Return the application.

    Args:
        engine: The database, migrated.
        settings: Of this process.
    """
    app = FastAPI(
        title="Cleanplate",
        version="1",
        summary="Takes watermarks, brand names, promotional text and colour blocks out of product photos.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        # It would send people to whatever host they say that they came to.
        redirect_slashes=False,
    )
    add_problem_handlers(app)
    tools = ApiContext(engine, settings, access(engine))
    for make in (
        making_router,
        batches_router,
        results_router,
        jobs_router,
        search_router,
        money_router,
        alarms_router,
    ):
        app.include_router(make(tools), prefix="/v1")
    app.include_router(webhooks_router(engine, settings))
    app.include_router(artifacts_router(engine, settings))
    app.include_router(metrics_router(engine, settings))
    app.include_router(health_router(engine))
    guard = Guard(engine, settings)
    app.add_middleware(BodyLimit, knows=senders(engine, guard))
    app.add_middleware(RequestIds, unforeseen=add_console(app, engine, settings, guard))
    return app
