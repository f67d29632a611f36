"""Everything of the console, added to the application."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import Engine
from starlette.staticfiles import StaticFiles

from console.pages.alarm_list import alarms_router
from console.pages.audit_log import audit_router
from console.pages.batch import batches_router
from console.pages.costs import costs_router
from console.pages.downloads import downloads_router
from console.pages.errors import add_page_errors
from console.pages.flower import flower_router
from console.pages.job import jobs_router
from console.pages.live import live_router
from console.pages.new_batch import making_router
from console.pages.overview import Glances, overview_router
from console.pages.people import people_router
from console.pages.photos import Photos
from console.pages.pictures import pictures_router
from console.pages.redo import redo_router
from console.pages.rendering import Pages, with_headers
from console.pages.review import review_router
from console.pages.samples import samples_router
from console.pages.search import search_router
from console.pages.sheet import sheet_router
from console.pages.shop import shop_router
from console.pages.shops import shops_router
from console.pages.signing_in import signing_in_router
from console.pages.tokens import tokens_router
from console.pages.visitor import Guard
from core.settings import Settings

STATIC = Path(__file__).parents[1] / "static"


class Static(StaticFiles):
    """Files that are nothing but what they are said to be, and are there at once on the next page.

    Keys that are pressed before a page's scripts have come are lost, and a reviewer goes from page to page quickly.
    """

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file with the headers of pages."""
        return with_headers(super().file_response(*args, **kwargs), {"Cache-Control": "public, max-age=300"})


def add_console(app: FastAPI, engine: Engine, settings: Settings, guard: Guard) -> Callable[[Request], Response]:
    """Add the pages, the pictures they show, and what they load.

    Args:
        app: Where to; handlers of problems are there already.
        engine: The database.
        settings: Of this process.
        guard: Lets people in.

    Returns:
        What answers a request that failed as nobody foresaw.

    Raises:
        UsageError: PROXY_ADDRESSES or FETCH_ALLOW_PRIVATE cannot be read.
    """
    photos, glances = Photos(engine, settings), Glances(engine, settings)
    pages = Pages(settings, glances.stand)
    routers: tuple[APIRouter, ...] = (
        signing_in_router(engine, guard, pages),
        overview_router(guard, pages, glances, settings),
        alarms_router(engine, guard, pages, glances, settings),
        making_router(engine, guard, pages, settings),
        sheet_router(engine, guard, pages, photos, settings),
        samples_router(engine, guard, pages, settings),
        batches_router(engine, guard, pages, settings),
        downloads_router(engine, guard, settings),
        redo_router(engine, guard, pages, photos, settings),
        jobs_router(engine, guard, pages, settings),
        pictures_router(engine, guard, photos),
        live_router(engine, guard, pages, glances, settings),
        shops_router(engine, guard, pages, settings),
        shop_router(engine, guard, pages, settings),
        tokens_router(engine, guard, pages),
        people_router(engine, guard, pages, settings),
        audit_router(engine, guard, pages),
        flower_router(engine, guard, pages, settings),
        costs_router(engine, guard, pages, settings),
        review_router(engine, guard, pages, settings),
        search_router(engine, guard, pages, settings),
    )
    for router in routers:
        app.include_router(router, include_in_schema=False)
    app.mount("/static", Static(directory=STATIC), name="static")
    return add_page_errors(app, guard, pages)
