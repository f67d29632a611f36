"""Photos of a batch as a contact sheet shows them: some of them, in an order, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from core.states import NOTHING_TO_REMOVE, JobState
from db import tallies
from db.live import STATE
from db.plans import in_index_order
from db.statements import text

MOST_SORTED = 50_000
"""Of more photos, pages come in the order in which these came in: sorting them takes long, and a page must not."""
MOST_CHOSEN = 20_000
"""Photos that one decision is about, at most."""


class Show(StrEnum):
    """Which photos of a batch are looked at."""

    OUTPUTS = "outputs"
    HELD = "held"
    CLEAN = "clean"
    DEAD = "dead"
    ALL = "all"


class SheetOrder(StrEnum):
    """What comes first."""

    DOUBT = "doubt"
    NAME = "name"
    CHANGED = "changed"
    CAME = "came"


STATES = {
    Show.OUTPUTS: (JobState.HELD, JobState.SUCCEEDED),
    Show.HELD: (JobState.HELD,),
    Show.CLEAN: (JobState.SUCCEEDED,),
    Show.DEAD: (JobState.DEAD,),
    Show.ALL: tuple(JobState),
}


@dataclass(frozen=True, slots=True)
class SheetScope:
    """Which photos.

    Args:
        batch_id: Whose.
        show: Of which states.
        code: Only those that ended with this code; empty for all.
        job_ids: Only these; None for all.
    """

    batch_id: int
    show: Show = Show.OUTPUTS
    code: str = ""
    job_ids: tuple[int, ...] | None = None

    @property
    def states(self) -> list[str]:
        """The states of these photos."""
        return [state.value for state in STATES[self.show]]


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A photo on a contact sheet."""

    id: int
    name: str
    sku: str | None
    state: str
    code: str | None
    message: str | None
    changed_ratio: float | None
    source_sha256: str | None
    artifact_sha256: str | None
    source_uri: str
    key: float | str


@dataclass(frozen=True, slots=True)
class PageEnd:
    """Where a page ends, so that the next one begins there.

    Args:
        key: What the last photo is sorted by.
        id: Of the last photo.
        middle: What doubt was reckoned from, which stays the same from page to page.
    """

    key: str
    id: int
    middle: float


@dataclass(frozen=True, slots=True)
class SheetPage:
    """A page of a contact sheet.

    Args:
        rows: The photos.
        order: What they are sorted by, in fact.
        following: Where the next page begins; None on the last.
    """

    rows: list[SheetRow]
    order: SheetOrder
    following: PageEnd | None


_WHICH = (
    "batch_id = :batch AND state = ANY(:states) AND (:code = '' OR code = :code) "
    "AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids))"
)
_LOG = "ln(greatest(changed_ratio, 0.000001))"
# What was skipped, or took another's output, was not compared: it is not unusual, and does not say what is usual.
_COMPARED = f"changed_ratio IS NOT NULL AND code IS DISTINCT FROM '{NOTHING_TO_REMOVE}'"
_KEYS = {
    # What is held was found doubtful already; of the others, those that changed more, or less, than is usual here.
    SheetOrder.DOUBT: (f"(state = 'held')::int * 100 + CASE WHEN {_COMPARED} THEN abs({_LOG} - :middle) ELSE 0 END"),
    SheetOrder.CHANGED: "coalesce(changed_ratio, -1)",
    SheetOrder.NAME: "name",
}
_COLUMNS = "id, name, sku, state, code, message, changed_ratio, source_sha256, artifact_sha256, source_uri"
_SHOWN = _COLUMNS.replace("state", f"{STATE} AS state")


def look(connection: Connection, scope: SheetScope, order: SheetOrder, after: PageEnd | None, limit: int) -> SheetPage:
    """Return the next page.

    Args:
        connection: An open transaction.
        scope: Of which photos.
        order: What comes first; the order in which they came in, where there are too many to sort.
        after: Where the page before ended; None for the first.
        limit: How many, at most.
    """
    if scope.job_ids is None and _rough_count(connection, scope) > MOST_SORTED:
        order = SheetOrder.CAME
    if order is SheetOrder.CAME:
        rows = _in_their_order(connection, scope, after.id if after else 0, limit)
        return SheetPage(rows, order, PageEnd("", rows[-1].id, 0.0) if len(rows) == limit else None)
    middle = after.middle if after else _middle(connection, scope) if order is SheetOrder.DOUBT else 0.0
    is_up = order is SheetOrder.NAME
    past = "k > :key OR (k = :key AND id > :after)" if is_up else "k < :key OR (k = :key AND id > :after)"
    statement = text(
        f"SELECT {_SHOWN}, k FROM (SELECT {_COLUMNS}, {_KEYS[order]} AS k FROM jobs WHERE {_WHICH}) AS j "  # noqa: S608
        f"WHERE {past if after else 'true'} ORDER BY k {'' if is_up else 'DESC'}, id LIMIT :limit"
    )
    values: dict[str, object] = {**_values(scope), "limit": limit, "middle": middle}
    if after:
        values |= {"key": after.key if is_up else float(after.key), "after": after.id}
    rows = [SheetRow(*row) for row in connection.execute(statement, values)]
    following = PageEnd(str(rows[-1].key), rows[-1].id, middle) if len(rows) == limit else None
    return SheetPage(rows, order, following)


def count(connection: Connection, scope: SheetScope) -> int:
    """Return how many photos a scope has."""
    if not scope.code and scope.job_ids is None:
        return _rough_count(connection, scope)
    statement = text(f"SELECT count(*) FROM jobs WHERE {_WHICH}")  # noqa: S608
    return int(connection.execute(statement, _values(scope)).scalar_one())


def find_ids(connection: Connection, scope: SheetScope) -> list[int]:
    """Return the photos of a scope, in the order in which they came in, and no more than one decision may be about."""
    statement = text(f"SELECT id FROM jobs WHERE {_WHICH} ORDER BY id LIMIT :most")  # noqa: S608
    return list(connection.execute(statement, {**_values(scope), "most": MOST_CHOSEN}).scalars())


def _in_their_order(connection: Connection, scope: SheetScope, after: int, limit: int) -> list[SheetRow]:
    of_code = "AND (:code = '' OR code = :code) AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids))"
    order = in_index_order("batch_id", "state", start=":after", values=(":batch", "s"))
    statement = text(
        f"SELECT {_SHOWN}, CAST(0 AS float8) FROM jobs AS j WHERE id = ANY(ARRAY(SELECT id FROM "  # noqa: S608
        "unnest(CAST(:states AS text[])) AS s, "
        f"LATERAL (SELECT id FROM jobs WHERE true {of_code} AND {order} LIMIT :limit) AS page "
        "ORDER BY id LIMIT :limit)) ORDER BY id"
    )
    return [SheetRow(*row) for row in connection.execute(statement, {**_values(scope), "after": after, "limit": limit})]


def _middle(connection: Connection, scope: SheetScope) -> float:
    statement = text(
        f"SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY {_LOG}), 0) FROM jobs "  # noqa: S608
        f"WHERE {_WHICH} AND state = 'succeeded' AND {_COMPARED}"
    )
    return float(connection.execute(statement, _values(scope)).scalar_one())


def _rough_count(connection: Connection, scope: SheetScope) -> int:
    counted = tallies.counts(connection, scope.batch_id).as_dict()
    return sum(counted[state] for state in scope.states)


def _values(scope: SheetScope) -> dict[str, object]:
    ids: Sequence[int] | None = None if scope.job_ids is None else list(scope.job_ids)
    return {"batch": scope.batch_id, "states": scope.states, "code": scope.code, "ids": ids}
