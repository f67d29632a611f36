"""Batches: all of them, one with its photos, and steering."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from console.api.money import present_rate
from console.api.words import MOST_ID
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor, read_form
from core.settings import Settings
from core.states import BatchState, JobState
from db import audit, batches, budgets, circuits, listings, overview, tallies
from db.batches import BatchRow
from db.listings import JobRow
from db.overview import FailureGroup
from db.session import transact
from db.tallies import BatchCounts
from db.users import Role

PAGE = 60
MOST_GROUPS = 30
MOST_BATCHES = 40
BatchId = Annotated[int, Path(ge=1, le=MOST_ID)]
Words = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as a page shows it.

    Args:
        row: The batch.
        tally: Its counts and money.
        eta_seconds: How long what waits takes at the present rate; None when nothing moves.
    """

    row: BatchRow
    tally: tallies.Tally
    eta_seconds: float | None

    @property
    def counts(self) -> BatchCounts:
        """Where its jobs stand."""
        return self.tally.counts

    @property
    def done_share(self) -> float:
        """The share of its photos that nothing is left to do for."""
        return 1 - self.counts.unsettled / self.counts.total if self.counts.total else 1.0


@dataclass(frozen=True, slots=True)
class Filter:
    """Which photos of a batch are shown."""

    state: str = ""
    code: str = ""
    sku: str = ""

    def query(self, **more: object) -> str:
        """Return the query of a page's URL."""
        told = {"state": self.state, "code": self.code, "sku": self.sku} | more
        return urlencode({name: value for name, value in told.items() if value not in {"", None}})


def look_at_batch(engine: Engine, settings: Settings, batch_id: int) -> BatchView:
    """Return a batch.

    Raises:
        PageError: 404, when there is none.
    """

    def work(connection: Connection) -> tuple[BatchRow | None, tallies.Tally]:
        return batches.get(connection, batch_id), tallies.tally(connection, [batch_id])[batch_id]

    row, tally = transact(engine, work)
    if row is None:
        raise PageError(404, f"There is no batch {batch_id}.")
    return with_eta(row, tally, settings)


def with_eta(row: BatchRow, tally: tallies.Tally, settings: Settings) -> BatchView:
    """Return a batch with how long it takes."""
    moves = row.state == BatchState.ACTIVE and tally.counts.unsettled
    return BatchView(row, tally, tally.counts.unsettled / present_rate(settings) if moves else None)


def batches_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of batches."""
    router = APIRouter(prefix="/batches")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Operator = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]
    Sent = Annotated[FormData, Depends(read_form)]

    @router.get("")
    def show_all(
        request: Request,
        visitor: Viewer,
        state: BatchState | None = None,
        before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
    ) -> Response:
        def work(connection: Connection) -> list[tuple[BatchRow, tallies.Tally]]:
            rows = batches.newest(connection, MOST_BATCHES, before=before, state=state)
            counted = tallies.tally(connection, [row.id for row in rows])
            return [(row, counted[row.id]) for row in rows]

        rate = present_rate(settings)
        found = [
            BatchView(
                row,
                tally,
                tally.counts.unsettled / rate if row.state == BatchState.ACTIVE and tally.counts.unsettled else None,
            )
            for row, tally in transact(engine, work)
        ]
        more = found[-1].row.id if len(found) == MOST_BATCHES else None
        return pages.show(
            request, "batches.html", visitor, batches=found, state=state or "", states=list(BatchState), more=more
        )

    @router.get("/{batch_id}")
    def show(
        request: Request,
        batch_id: BatchId,
        visitor: Viewer,
        state: Words = "",
        code: Words = "",
        sku: Words = "",
        after: Annotated[int, Query(ge=0, le=MOST_ID)] = 0,
    ) -> Response:
        chosen = Filter(state if state in set(JobState) else "", code.strip(), sku.strip())

        def work(connection: Connection) -> tuple[list[JobRow], list[FailureGroup]]:
            jobs = listings.list_jobs(
                connection,
                batch_id,
                state=chosen.state or None,
                code=chosen.code or None,
                sku=chosen.sku or None,
                after=after,
                limit=PAGE,
            )
            return jobs, overview.group_failures(connection, batch_id, MOST_GROUPS)

        batch = look_at_batch(engine, settings, batch_id)
        jobs, groups = transact(engine, work)
        return pages.show(
            request,
            "batch.html",
            visitor,
            batch=batch,
            jobs=jobs,
            groups=groups,
            filter=chosen,
            states=list(JobState),
            after=after,
            more=jobs[-1].id if len(jobs) == PAGE else None,
            most_grouped=overview.MOST_GROUPED,
            has_price=bool(settings.removal_price),
        )

    @router.post("/{batch_id}/{action}")
    def steer(batch_id: BatchId, action: str, visitor: Operator, sent: Sent) -> Response:
        if action not in STEERING:
            raise PageError(404, "There is no such thing to do with a batch.")

        def work(connection: Connection) -> str:
            if batches.get(connection, batch_id) is None:
                raise PageError(404, f"There is no batch {batch_id}.")
            said, detail = STEERING[action](connection, batch_id, sent)
            audit.note(connection, visitor.user.name, action, f"batch {batch_id}", detail)
            if action in {"resume", "requeue"}:
                circuits.probe_now(connection, settings.account)
            return said

        return pages.go(f"/batches/{batch_id}", transact(engine, work))

    return router


def _pause(connection: Connection, batch_id: int, _: FormData) -> tuple[str, str]:
    changed = batches.pause(connection, batch_id, "hand")
    return ("Paused: no further call is made; those on their way finish." if changed else "It was not running."), ""


def _resume(connection: Connection, batch_id: int, _: FormData) -> tuple[str, str]:
    return ("It goes on." if batches.resume(connection, batch_id) else "It was not paused."), ""


def _cancel(connection: Connection, batch_id: int, _: FormData) -> tuple[str, str]:
    found = batches.cancel(connection, batch_id)
    if found is None:
        return "It had ended before.", ""
    return f"Cancelled: {found:,} photos are not called any more. What is clean stays.", f"{found} photos"


def _requeue(connection: Connection, batch_id: int, sent: FormData) -> tuple[str, str]:
    code, message = _told(sent, "code"), _told(sent, "message")
    is_held = sent.get("state") == JobState.HELD
    found = batches.requeue(connection, batch_id, code, message=message, held=is_held)
    which = f"{found:,} {'held' if is_held else 'dead'} photos{f' with {code}' if code else ''}"
    return f"{which} go round again.", f"{which} {message or ''}".strip()


def _budget(connection: Connection, batch_id: int, sent: FormData) -> tuple[str, str]:
    told = str(sent.get("max_calls") or "").strip()
    if not (told.isascii() and told.isdecimal() and len(told) <= 12):
        raise PageError(422, "Most calls is a whole number. Nothing was changed.")
    budgets.set_limits(connection, batch_id, max_calls=int(told), max_cost=None)
    return f"It may make {int(told):,} calls in all.", f"{told} calls"


def _told(sent: FormData, name: str) -> str | None:
    value = sent.get(name)
    return value[:2000] if isinstance(value, str) and "\0" not in value else None


STEERING = {"pause": _pause, "resume": _resume, "cancel": _cancel, "requeue": _requeue, "budget": _budget}
