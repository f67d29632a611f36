"""The first page: whether the fleet is healthy, what it costs, and what needs a person."""

import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from actions.levels import Standing
from actions.status import Signs, ask_limiter, find_alarms, find_signs, judge, of_database
from console.pages import chart
from console.pages.chart import Chart
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from core.errors import DatabaseDown
from core.settings import Settings
from core.states import BatchState
from db import batches, budgets, call_rates, outages, overview, tallies
from db.batches import BatchRow
from db.call_rates import RatePoint
from db.session import transact
from db.tallies import Tally
from db.users import Role
from removal.limiter.view import LimiterView

SPANS = {"10m": (600, 10), "1h": (3600, 30), "24h": (86_400, 300)}
"""How far back the chart goes, and how long each point's stretch is, in seconds."""
KEPT_SECONDS = 0.9
"""However many people look, the database is asked about once a second."""
NEWEST = 8


@dataclass(frozen=True, slots=True)
class Glance:
    """All that the first page shows.

    Args:
        signs: What the whole is judged by.
        rate_now: Calls per second over the last half minute.
        calls_today: Calls sent today (UTC); those that count for REMOVAL_DAILY_CALLS, when it is set.
        cost_today: Their money.
        paused: Batches that do not go on by themselves, or wait for budget.
        paused_photos: Photos of those that wait.
        newest: Batches with their counts.
        standing: All of it in one line.
        alarms: All that is the case, the gravest first.
        charts: By span.
    """

    signs: Signs
    rate_now: float
    calls_today: int
    cost_today: Decimal
    paused: list[BatchRow]
    paused_photos: int
    newest: list[tuple[BatchRow, Tally]]
    standing: Standing
    alarms: list[Standing]
    charts: dict[str, Chart]

    @property
    def api(self) -> str:
        """How the API does, in a word or two."""
        circuit, limiter = self.signs.circuit, self.signs.limiter
        if circuit is not None:
            return "out" if circuit.reason == outages.REASON else "refuses us"
        return "waits" if limiter is not None and limiter.closed_for_seconds > 1 else "OK"

    @property
    def dead(self) -> list[tuple[BatchRow, Tally]]:
        """Of the newest batches those in which photos failed."""
        return [(row, tally) for row, tally in self.newest if tally.counts.dead]


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

    def forget(self) -> None:
        """Look anew the next time: somebody changed what is seen."""
        with self._lock:
            self._newest = None

    def _look(self) -> Glance:
        limiter, redis_fails = ask_limiter(self._settings)
        return transact(self._engine, lambda connection: self._read(connection, limiter, redis_fails=redis_fails))

    def _read(self, connection: Connection, limiter: LimiterView | None, *, redis_fails: bool) -> Glance:
        newest = batches.newest(connection, NEWEST)
        paused = batches.newest(connection, 20, state=BatchState.PAUSED)
        counted = tallies.tally(connection, [row.id for row in [*newest, *paused]])
        quota = self._settings.removal_rate
        signs = find_signs(connection, self._settings, limiter, redis_fails=redis_fails)
        histories = {
            name: call_rates.history(connection, seconds=seconds, step_seconds=step)
            for name, (seconds, step) in SPANS.items()
        }
        return Glance(
            signs=signs,
            rate_now=_rate_now(histories["10m"]),
            calls_today=self._calls_today(connection),
            cost_today=overview.cost_today(connection),
            paused=paused,
            paused_photos=sum(counted[row.id].counts.unsettled for row in paused),
            newest=[(row, counted[row.id]) for row in newest],
            standing=judge(signs),
            alarms=find_alarms(signs),
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
