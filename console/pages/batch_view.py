"""What is seen of a batch: how it stands, how long it takes, its photos, and what failed."""

from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query
from sqlalchemy import Connection, Engine

from actions.budgets import why_used_up
from actions.questions import waits_for_canary
from console.api.fields import MOST_ID
from core.settings import Settings
from core.states import BatchState, JobState
from db import batches, budgets, costs, failures, looks, photo_pages, tallies
from db.batches import BatchRow
from db.failures import FailureGroup
from db.looks import Screened
from db.photo_pages import PhotoOrder, PhotoPage, PhotoScope
from db.session import transact
from db.tallies import BatchCounts
from quote.pace import moves, pace, seconds_left

PAGE = 60
MOST_GROUPS = 30
Number = Annotated[int, Query(ge=0, le=MOST_ID)]
Words = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as a page shows it.

    Args:
        row: The batch.
        tally: Its counts and money.
        eta_seconds: How long what waits takes at the present rate; None when nothing moves.
        stopped: Which budget it waits for, in words; empty when it waits for none.
        screened: What looking for something to take off came to; None where nobody asked for that.
        billed: Calls that would have been billed; looked for where calls are free.
    """

    row: BatchRow
    tally: tallies.Tally
    eta_seconds: int | None
    stopped: str = ""
    screened: Screened | None = None
    billed: int = 0

    @property
    def waits_for_canary(self) -> bool:
        """Whether its canary failed, and a person is to say how it goes on."""
        return self.row.state == BatchState.PAUSED and waits_for_canary(self.row)

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
    canary: str = ""
    flagged: str = ""
    order: PhotoOrder = PhotoOrder.CAME

    @property
    def is_on(self) -> bool:
        """Whether some photos are left out."""
        return bool(self.state or self.code or self.sku or self.canary or self.flagged)

    def query(self, **more: object) -> str:
        """Return the query of a page's URL."""
        told: dict[str, object] = {"state": self.state, "code": self.code, "sku": self.sku}
        told |= {"canary": self.canary, "flagged": self.flagged}
        told |= {"order": "" if self.order is PhotoOrder.CAME else self.order.value} | more
        return urlencode({name: value for name, value in told.items() if value not in {"", None}})

    def scope(self, batch_id: int) -> PhotoScope:
        """Return these photos of a batch."""
        return PhotoScope(batch_id, self.state, self.code, self.sku, bool(self.canary), bool(self.flagged))


def choose(
    state: Words = "", code: Words = "", sku: Words = "", canary: Words = "", flagged: Words = "", order: Words = ""
) -> Filter:
    """Return which photos an address asks for; a state or an order there is none of is not one."""
    return Filter(
        state if state in set(JobState) else "",
        code.strip(),
        sku.strip(),
        "1" if canary else "",
        "1" if flagged else "",
        PhotoOrder(order) if order in set(PhotoOrder) else PhotoOrder.CAME,
    )


Chosen = Annotated[Filter, Depends(choose)]


def look_at_batch(engine: Engine, settings: Settings, batch_id: int) -> BatchView:
    """Return a batch.

    Raises:
        NotFound: There is none.
    """

    def work(connection: Connection) -> BatchView:
        row = batches.require(connection, batch_id)
        found = look_at_batches(connection, settings, [row])[0]
        if row.options.get("screen"):
            found = replace(found, screened=looks.count(connection, batch_id))
        if settings.is_free:
            found = replace(found, billed=costs.spent(connection, batch_id).billed)
        if row.pause_reason != budgets.PAUSE_REASON:
            return found
        return replace(found, stopped=str(why_used_up(connection, row, found.counts, settings) or ""))

    return transact(engine, work)


def look_at_batches(connection: Connection, settings: Settings, rows: list[BatchRow]) -> list[BatchView]:
    """Return batches with their counts, and how long each takes at the pace of now."""
    counted = tallies.tally(connection, [row.id for row in rows])
    rate = pace(connection, settings) if moves(connection, settings) else None

    def eta(row: BatchRow) -> int | None:
        return seconds_left(row.state, counted[row.id].counts.unsettled, rate)

    return [BatchView(row, counted[row.id], eta(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a page of photos begins.

    Args:
        at: How many come before it.
        after: The last photo of the page before; 0 on the first.
        before: The first photo of the page after, to go back; None to go forward.
    """

    at: int = 0
    after: int = 0
    before: int | None = None


def choose_spot(at: Number = 0, after: Number = 0, before: Number | None = None) -> Spot:
    """Return where an address says that a page begins."""
    return Spot(at, after, before)


ChosenSpot = Annotated[Spot, Depends(choose_spot)]


def find_page(connection: Connection, batch_id: int, chosen: Filter, spot: Spot) -> PhotoPage:
    """Return a page of a batch's photos."""
    return photo_pages.look(
        connection,
        chosen.scope(batch_id),
        chosen.order,
        at=spot.at,
        after=spot.after,
        before=spot.before,
        limit=PAGE,
    )


def find_groups(connection: Connection, batch_id: int) -> list[FailureGroup]:
    """Return what failed, in groups."""
    return failures.group_failures(connection, batch_id, MOST_GROUPS)
