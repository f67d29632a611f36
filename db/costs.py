"""The ledger: what was called, paid and saved, per batch and day.

Triggers keep it (`ledger_changes`) and the dispatcher adds it up (`ledger_days`), so that it costs as much to ask as
there were days, batches and codes, however many calls there were and whatever waits.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row

from db import plans
from db.live import RUNNING
from db.plans import by_key
from db.statements import text
from db.tallies import MICROS

NOTHING = Decimal(0)
NUMBERS = ("calls", "paid", "maybe_paid", "unpaid", "open", "reused", "skipped", "cost", "maybe_cost")
"""What lines are added up by."""
MOST_LINES = 1_000

_SUMS = ", ".join(
    f"CAST(coalesce(sum({name}), 0) AS bigint) AS {name}"
    for name in ("calls", "paid", "maybe_paid", "reused", "skipped", "cost", "maybe_cost")
)
_KEPT = "batch_id, day, code, calls, paid, maybe_paid, reused, skipped, cost, maybe_cost"
_FIRST_DAY = "(CAST(now() AT TIME ZONE 'UTC' AS date) - (CAST(:days AS integer) - 1))"
_OPEN_CALLS = (
    "SELECT a.batch_id, CAST(a.sent_at AT TIME ZONE 'UTC' AS date) AS day, 1 AS open "  # noqa: S608
    f"FROM {RUNNING} AS j CROSS JOIN LATERAL (SELECT batch_id, sent_at FROM attempts WHERE job_id = j.id "
    "AND answered_at IS NULL AND sent_at IS NOT NULL OFFSET 0) AS a"
)


class CostsBy(StrEnum):
    """What costs are told for each of."""

    DAY = "day"
    BATCH = "batch"
    CONNECTION = "connection"
    LANE = "lane"


@dataclass(slots=True)
class Spending:
    """What was called, paid and saved.

    Args:
        calls: Calls that were sent; each is one of `paid`, `maybe_paid`, `unpaid` and `open`.
        paid: Calls that were billed.
        maybe_paid: Calls that may have been billed without an answer reaching us; counted as spent.
        unpaid: Calls that cost nothing.
        open: Calls that are on their way.
        reused: Photos that were cleaned before and not called for again.
        skipped: Photos that were not called for, as nothing was found on them.
        cost: Of the paid and maybe paid calls, at the price each was made at; those to the sandbox cost nothing.
        maybe_cost: The part of it that may not have been billed.
    """

    calls: int = 0
    paid: int = 0
    maybe_paid: int = 0
    unpaid: int = 0
    open: int = 0
    reused: int = 0
    skipped: int = 0
    cost: Decimal = NOTHING
    maybe_cost: Decimal = NOTHING

    @property
    def billed(self) -> int:
        """Calls that were billed, or may have been."""
        return self.paid + self.maybe_paid


@dataclass(slots=True)
class LedgerLine(Spending):
    """One batch on one day (UTC).

    Args:
        batch_id: Which batch.
        day: When its calls were sent, or its photos reused.
        codes: How many calls ended with each code.
    """

    batch_id: int = 0
    day: date = date.min
    codes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class CostLine(Spending):
    """One day, batch, connection or lane.

    Args:
        key: Which: a date, a number or a name; empty for what came through no connection.
        label: What people call it.
    """

    key: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a batch has cost so far.

    Args:
        paid: Calls that were billed.
        billed: Calls that were, or may have been.
        cost: The money of these; those to the sandbox cost nothing.
    """

    paid: int
    billed: int
    cost: Decimal


def spent(connection: Connection, batch_id: int) -> Spent:
    """Return what a batch has cost so far."""
    by_key(connection)
    statement = text(
        "SELECT coalesce(sum(paid), 0), coalesce(sum(maybe_paid), 0), coalesce(sum(cost), 0) FROM ("
        "SELECT paid, maybe_paid, cost FROM ledger_days WHERE batch_id = :id UNION ALL "
        "SELECT paid, maybe_paid, cost FROM ledger_changes WHERE batch_id = :id) AS both_tables"
    )
    paid, maybe_paid, cost = connection.execute(statement, {"id": batch_id}).one()
    return Spent(int(paid), int(paid + maybe_paid), Decimal(cost) / MICROS)


def ledger(connection: Connection, *, batch_id: int | None, days: int | None) -> list[LedgerLine]:
    """Return a line for each batch and day on which something was called or reused, newest day first.

    Args:
        connection: An open transaction.
        batch_id: Only this batch; None for all.
        days: Only so many days, today (UTC) being the first; None for all.
    """
    by_key(connection)
    lines: dict[tuple[int, date], LedgerLine] = {}
    only, values = _only(batch_id, days), {"batch": batch_id, "days": days}
    kept = text(f"SELECT batch_id, day, code, {_SUMS} FROM {_both(only)} AS kept GROUP BY 1, 2, 3")  # noqa: S608
    for row in connection.execute(kept, values):
        line = lines.setdefault((row.batch_id, row.day), LedgerLine(batch_id=row.batch_id, day=row.day))
        _add(line, row)
        if row.code and row.calls:
            line.codes[row.code] += row.calls
    is_open = text(f"SELECT batch_id, day, count(*) AS n FROM ({_OPEN_CALLS}) AS calls WHERE true{only} GROUP BY 1, 2")  # noqa: S608
    for row in connection.execute(is_open, values):
        line = lines.setdefault((row.batch_id, row.day), LedgerLine(batch_id=row.batch_id, day=row.day))
        line.open += row.n
        line.calls += row.n
    found = [line for line in lines.values() if line.calls or line.reused or line.skipped]
    return sorted(found, key=lambda line: (line.day, line.batch_id), reverse=True)


def costs_by(connection: Connection, by: CostsBy, *, days: int | None, limit: int = MOST_LINES) -> list[CostLine]:
    """Return a line for each day, batch, connection or lane; days with the newest first, all else the dearest.

    Args:
        connection: An open transaction.
        by: What for each of.
        days: Only so many days, today (UTC) being the first; None for all.
        limit: How many, at most.
    """
    by_key(connection)
    only = _only(None, days)
    key, label = _KEYS[by]
    statement = text(
        f"SELECT {key} AS key, {label} AS label, {_SUMS}, CAST(coalesce(sum(open), 0) AS bigint) AS open "  # noqa: S608
        f"FROM (SELECT {_KEPT}, 0 AS open FROM {_both(only)} AS kept "
        "UNION ALL SELECT batch_id, day, '', 0, 0, 0, 0, 0, 0, 0, open "
        f"FROM ({_OPEN_CALLS}) AS calls WHERE true{only}) AS k {_BATCH if by is not CostsBy.DAY else ''} "
        "GROUP BY 1, 2 HAVING sum(calls) + sum(reused) + sum(skipped) + sum(open) > 0 "
        f"ORDER BY {'1 DESC' if by is CostsBy.DAY else 'sum(cost) DESC, sum(calls) DESC, 1'} LIMIT :limit"
    )
    found = []
    for row in connection.execute(statement, {"days": days, "limit": limit}):
        line = CostLine(key=row.key, label=row.label)
        _add(line, row)
        line.open += row.open
        line.calls += row.open
        found.append(line)
    return found


def total(lines: Iterable[Spending]) -> Spending:
    """Return what lines come to together."""
    summed = Spending()
    for line in lines:
        for name in NUMBERS:
            setattr(summed, name, getattr(summed, name) + getattr(line, name))
    return summed


def fold(connection: Connection) -> None:
    """Add what changed to the ledger that stands, so that there is little to add when somebody asks."""
    names = _KEPT.split(", ")[3:]
    connection.execute(
        text(
            f"WITH taken AS (DELETE FROM ledger_changes RETURNING {_KEPT}) "  # noqa: S608
            f"INSERT INTO ledger_days AS l ({_KEPT}) SELECT batch_id, day, code, {_SUMS} FROM taken GROUP BY 1, 2, 3 "
            "ON CONFLICT (day, batch_id, code) DO UPDATE SET "
            + ", ".join(f"{name} = l.{name} + excluded.{name}" for name in names)
        )
    )


# One by one: a planner that takes batches for few would read all of them.
_BATCH = f"CROSS JOIN LATERAL ({plans.row('id, name, lane, options', 'batches', 'k.batch_id')}) AS b"
_CONNECTION = "coalesce(b.options ->> 'connection', '')"
_KEYS = {
    CostsBy.DAY: ("CAST(k.day AS text)", "''"),
    CostsBy.BATCH: ("CAST(b.id AS text)", "b.name"),
    CostsBy.CONNECTION: (
        _CONNECTION,
        f"coalesce((SELECT c.shop FROM connections AS c WHERE c.id = CAST(nullif({_CONNECTION}, '') AS bigint)), '')",  # noqa: S608
    ),
    CostsBy.LANE: ("b.lane", "b.lane"),
}
"""What tells lines apart, and what people call them, as SQL."""


def _both(only: str) -> str:
    return (
        f"(SELECT {_KEPT} FROM ledger_days WHERE true{only} "  # noqa: S608
        f"UNION ALL SELECT {_KEPT} FROM ledger_changes WHERE true{only})"
    )


def _only(batch_id: int | None, days: int | None) -> str:
    # Conditions that are there only when asked for let PostgreSQL choose the index that fits.
    found = "" if batch_id is None else " AND batch_id = :batch"
    return found if days is None else f"{found} AND day >= {_FIRST_DAY}"


def _add(line: Spending, row: Row[Any]) -> None:
    line.calls += row.calls
    line.paid += row.paid
    line.maybe_paid += row.maybe_paid
    line.unpaid += row.calls - row.paid - row.maybe_paid
    line.reused += row.reused
    line.skipped += row.skipped
    line.cost += Decimal(row.cost) / MICROS
    line.maybe_cost += Decimal(row.maybe_cost) / MICROS
