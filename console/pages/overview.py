"""The first page: whether the fleet is healthy, what it costs, and what needs a person."""

import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from actions.status import Signs, Standing, judge, of_database
from console.pages import chart
from console.pages.chart import Chart
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from core.errors import DatabaseDown
from core.settings import Settings
from core.states import BatchState
from db import batches, budgets, call_rates, circuits, overview, processes, tallies
from db.batches import BatchRow
from db.call_rates import RatePoint
from db.circuits import OpenCircuit
from db.overview import LaneView
from db.processes import Process
from db.session import transact
from db.tallies import Tally
from db.users import Role
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.view import LimiterView, look

SPANS = {"10m": (600, 10), "1h": (3600, 30), "24h": (86_400, 300)}
"""How far back the chart goes, and how long each point's stretch is, in seconds."""
KEPT_SECONDS = 0.9
"""However many people look, the database is asked about once a second."""
NEWEST = 8
ROLES = ("web", "dispatcher", "worker")


@dataclass(frozen=True, slots=True)
class Glance:
    """All that the first page shows.

    Args:
        lanes: Interactive and bulk.
        circuit: Why nobody calls at present, or None.
        limiter: How fast it goes; None when no call was made yet, or Redis does not answer.
        redis_fails: Whether Redis does not answer.
        rate_now: Calls per second over the last half minute.
        calls_today: Calls sent today (UTC); those that count for REMOVAL_DAILY_CALLS, when it is set.
        cost_today: Their money.
        held: Photos that wait for a person.
        paused: Batches that do not go on by themselves, or wait for budget.
        paused_photos: Photos of those that wait.
        newest: Batches with their counts.
        processes: Who is alive, and who fell silent within a day.
        standing: All of it in one line.
        charts: By span.
    """

    lanes: list[LaneView]
    circuit: OpenCircuit | None
    limiter: LimiterView | None
    redis_fails: bool
    rate_now: float
    calls_today: int
    cost_today: Decimal
    held: int
    paused: list[BatchRow]
    paused_photos: int
    newest: list[tuple[BatchRow, Tally]]
    processes: list[Process]
    standing: Standing
    charts: dict[str, Chart]

    @property
    def silent(self) -> list[str]:
        """The roles that nobody fills."""
        alive = {process.role for process in self.processes if process.is_alive}
        return [role for role in ROLES if role not in alive]


class Glances:
    """Takes a glance once a second at most, for all who look.

    Args:
        engine: The database.
        settings: Whose account.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._lock = threading.Lock()
        self._newest: Glance | None = None
        self._taken_at = 0.0

    def take(self) -> Glance:
        """Return how things stand."""
        with self._lock:
            if self._newest is None or time.monotonic() - self._taken_at > KEPT_SECONDS:
                self._newest = self._look()
                self._taken_at = time.monotonic()
            return self._newest

    def stand(self) -> Standing:
        """Return how the whole stands, also when PostgreSQL does not say."""
        try:
            return self.take().standing
        except DatabaseDown as error:
            return of_database(error)

    def _look(self) -> Glance:
        limiter, redis_fails = None, False
        try:
            limiter = look(self._settings.redis_url, self._settings.account)
        except LimiterUnavailable:
            redis_fails = True
        return transact(self._engine, lambda connection: self._read(connection, limiter, redis_fails=redis_fails))

    def _read(self, connection: Connection, limiter: LimiterView | None, *, redis_fails: bool) -> Glance:
        newest = batches.newest(connection, NEWEST)
        paused = batches.newest(connection, 20, state=BatchState.PAUSED)
        counted = tallies.tally(connection, [row.id for row in [*newest, *paused]])
        quota = self._settings.removal_rate
        lanes = overview.look_at_lanes(connection)
        circuit = circuits.find_open(connection, self._settings.account)
        alive = processes.list_recent(connection)
        histories = {
            name: call_rates.history(connection, seconds=seconds, step_seconds=step)
            for name, (seconds, step) in SPANS.items()
        }
        return Glance(
            lanes=lanes,
            circuit=circuit,
            limiter=limiter,
            redis_fails=redis_fails,
            rate_now=_rate_now(histories["10m"]),
            calls_today=self._calls_today(connection),
            cost_today=overview.cost_today(connection),
            held=overview.count_held(connection),
            paused=paused,
            paused_photos=sum(counted[row.id].counts.unsettled for row in paused),
            newest=[(row, counted[row.id]) for row in newest],
            processes=alive,
            standing=judge(
                Signs(lanes, circuit, limiter, redis_fails, alive, overview.count_paused(connection), quota)
            ),
            charts={
                name: chart.draw(points, step_seconds=SPANS[name][1], quota=quota) for name, points in histories.items()
            },
        )

    def _calls_today(self, connection: Connection) -> int:
        if self._settings.removal_daily_calls is None:
            return call_rates.sent_today(connection)
        return budgets.used_today(connection, self._settings.account)


def overview_router(guard: Guard, pages: Pages, glances: Glances, settings: Settings) -> APIRouter:
    """Return the first page's route."""
    router = APIRouter()

    @router.get("/")
    def show(
        request: Request, visitor: Annotated[Visitor, Depends(guard.needs(Role.VIEWER))], span: str = "10m"
    ) -> Response:
        span = span if span in SPANS else "10m"
        return pages.show(
            request, "overview.html", visitor, glance=glances.take(), span=span, spans=SPANS, settings=settings
        )

    return router


def _rate_now(points: list[RatePoint]) -> float:
    # The stretch that has only begun would make it look slow.
    whole = points[-4:-1]
    return sum(point.calls for point in whole) / (10.0 * len(whole)) if whole else 0.0
