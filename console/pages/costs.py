"""`/costs`: what was called, paid and saved, per day, batch, connection or lane, also as CSV."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from actions.cost_sheet import as_csv, name_of, saved
from console.pages.rendering import Pages, with_headers
from console.pages.visitor import Guard, Visitor
from core.settings import Settings
from db.costs import MOST_LINES, CostLine, CostsBy, costs_by, total
from db.session import transact
from db.users import Role

SPANS = {1: "today", 7: "7 days", 30: "30 days", 90: "90 days", 366: "a year"}
TITLES = {CostsBy.DAY: "Day (UTC)", CostsBy.BATCH: "Batch", CostsBy.CONNECTION: "Connection", CostsBy.LANE: "Lane"}
PLACES = {CostsBy.BATCH: "/batches/", CostsBy.CONNECTION: "/connections/"}

Days = Annotated[int, Query(ge=1, le=3660)]


def costs_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of costs."""
    router = APIRouter()
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]

    def find(by: CostsBy, days: int) -> list[CostLine]:
        return transact(engine, lambda connection: costs_by(connection, by, days=days))

    @router.get("/costs")
    def show(request: Request, visitor: Viewer, by: CostsBy = CostsBy.DAY, days: Days = 30) -> Response:
        lines = find(by, days)
        return pages.show(
            request,
            "costs.html",
            visitor,
            lines=[(line, name_of(line, by), saved(line, settings)) for line in lines],
            total=(summed := total(lines)),
            total_saved=saved(summed, settings),
            by=by,
            days=days,
            titles=TITLES,
            spans=SPANS,
            place=PLACES.get(by, "") if by is CostsBy.BATCH or visitor.may(Role.OPERATOR) else "",
            is_cut=len(lines) == MOST_LINES,
            most=MOST_LINES,
            settings=settings,
        )

    @router.get("/costs.csv")
    def download(_: Viewer, by: CostsBy = CostsBy.DAY, days: Days = 30) -> Response:
        name = f"costs-by-{by.value}-{days}-days.csv"
        answer = Response(as_csv(find(by, days), by, settings), media_type="text/csv; charset=utf-8")
        return with_headers(answer, {"Content-Disposition": f'attachment; filename="{name}"'})

    return router
