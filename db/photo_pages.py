"""The photos of a batch as its page lists them: some of them, in an order, a page at a time; and what is beside one."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from db import flags, listings, tallies
from db.listings import SUCCESS_CODE
from db.plans import by_key
from db.statements import text
from db.tallies import COSTS

MOST_SORTED = 20_000
"""Of more photos, pages come in the order in which these came in: sorting them takes long, and a page must not."""
MOST_NUMBERED = 5_000
"""Of more photos, none is told which of all it is: those before it would have to be counted."""
MOST_COUNTED = 1_000
"""Photos of a code or a product that are counted, at most; of states and batches, counts are kept."""


class PhotoOrder(StrEnum):
    """What comes first."""

    CAME = "came"
    NAME = "name"
    TIME = "time"
    CHANGED = "changed"
    COST = "cost"


_SORTED = {
    PhotoOrder.NAME: "name",
    PhotoOrder.TIME: "finished_at DESC NULLS LAST",
    PhotoOrder.CHANGED: "changed_ratio DESC NULLS LAST",
    PhotoOrder.COST: f"(SELECT sum(price) FROM attempts WHERE job_id = jobs.id AND {COSTS}) DESC NULLS LAST",  # noqa: S608
}


@dataclass(frozen=True, slots=True)
class PhotoScope:
    """Which photos.

    Args:
        batch_id: Whose.
        state: Only those in this state; empty for all.
        code: Only those that ended with this code; empty for all.
        sku: Only those of this product; empty for all.
        only_canary: Only those that went first.
        only_flagged: Only those that somebody wants looked at, whatever else is asked for.
    """

    batch_id: int
    state: str = ""
    code: str = ""
    sku: str = ""
    only_canary: bool = False
    only_flagged: bool = False


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """A page of photos.

    Args:
        ids: Of these.
        total: How many there are in all, or were counted.
        is_more: Whether there are more than were counted.
        order: What they are sorted by, in fact.
    """

    ids: list[int]
    total: int
    is_more: bool
    order: PhotoOrder


@dataclass(frozen=True, slots=True)
class Beside:
    """What is beside a photo.

    Args:
        previous: The one before it, or None.
        following: The one after it, or None.
        number: Which of all it is, from 1; None where there are too many to say.
        total: How many there are in all, or were counted.
        is_more: Whether there are more than were counted.
    """

    previous: int | None
    following: int | None
    number: int | None
    total: int
    is_more: bool


def look(
    connection: Connection,
    scope: PhotoScope,
    order: PhotoOrder,
    *,
    at: int = 0,
    after: int = 0,
    before: int | None = None,
    limit: int,
) -> PhotoPage:
    """Return a page.

    Args:
        connection: An open transaction.
        scope: Of which photos.
        order: What comes first; the order in which they came in, where there are too many to sort.
        at: How many come before the page, where they are sorted.
        after: The last of the page before, where they are not.
        before: The first of the page after, to go back, where they are not.
        limit: How many, at most.
    """
    total, is_more = count(connection, scope)
    if order is PhotoOrder.CAME or is_more or total > MOST_SORTED:
        ids = _list(connection, scope, after=after, before=before, limit=limit)
        return PhotoPage(ids, total, is_more, PhotoOrder.CAME)
    ids = _sorted(connection, scope, order)
    return PhotoPage(ids[at : at + limit], len(ids), is_more=False, order=order)


def look_beside(connection: Connection, scope: PhotoScope, order: PhotoOrder, job_id: int) -> Beside:
    """Return what is beside a photo in such a list; nothing when it is not in it any more."""
    total, is_more = count(connection, scope)
    if is_more or total > (MOST_NUMBERED if order is PhotoOrder.CAME else MOST_SORTED):
        previous = _list(connection, scope, before=job_id, limit=1)
        following = _list(connection, scope, after=job_id, limit=1)
        return Beside(previous[0] if previous else None, following[0] if following else None, None, total, is_more)
    ids = _sorted(connection, scope, order)
    if job_id not in ids:
        # It was decided about, and has left this list: on goes the one that came after it.
        later = [each for each in ids if each > job_id] if order is PhotoOrder.CAME else ids
        return Beside(None, later[0] if later else None, None, len(ids), is_more=False)
    at = ids.index(job_id)
    previous_id = ids[at - 1] if at else None
    return Beside(previous_id, ids[at + 1] if at + 1 < len(ids) else None, at + 1, len(ids), is_more=False)


def count(connection: Connection, scope: PhotoScope) -> tuple[int, bool]:
    """Return how many photos there are, and whether there are more than were counted."""
    if scope.only_flagged:
        return flags.count(connection, scope.batch_id), False
    if not scope.sku and not scope.only_canary and scope.code in {"", SUCCESS_CODE}:
        counts = tallies.counts(connection, scope.batch_id).as_dict()
        if scope.code:
            return (counts["succeeded"] if scope.state in {"", "succeeded"} else 0), False
        return counts[scope.state or "total"], False
    found = len(_list(connection, scope, limit=MOST_COUNTED + 1))
    return min(found, MOST_COUNTED), found > MOST_COUNTED


def _sorted(connection: Connection, scope: PhotoScope, order: PhotoOrder) -> list[int]:
    ids = _list(connection, scope, limit=MOST_SORTED)
    if order is PhotoOrder.CAME:
        return ids
    by_key(connection)
    statement = text(f"SELECT id FROM jobs WHERE id = ANY(:ids) ORDER BY {_SORTED[order]}, id")  # noqa: S608
    return list(connection.execute(statement, {"ids": ids}).scalars())


def _list(
    connection: Connection, scope: PhotoScope, *, after: int = 0, before: int | None = None, limit: int
) -> list[int]:
    if scope.only_flagged:
        return flags.list_next(connection, after=after, batch_id=scope.batch_id, limit=limit)
    return listings.list_ids(
        connection,
        scope.batch_id,
        state=scope.state or None,
        code=scope.code or None,
        sku=scope.sku or None,
        only_canary=scope.only_canary,
        after=after,
        before=before,
        limit=limit,
    )
