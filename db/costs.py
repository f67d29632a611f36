"""The ledger: what was called, paid and saved, per batch and day."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, TextClause

from core.states import NOTHING_TO_REMOVE
from db.statements import text

NOTHING = Decimal(0)


@dataclass(slots=True)
class LedgerLine:
    """One batch on one day (UTC).

    Args:
        batch_id: Which batch.
        day: When its calls were sent, or its photos reused.
        calls: Calls that were sent; each is one of `paid`, `maybe_paid`, `unpaid` and `open`.
        paid: Calls that were billed.
        maybe_paid: Calls that may have been billed without an answer reaching us; counted as spent.
        unpaid: Calls that cost nothing.
        open: Calls that are on their way.
        reused: Photos that were cleaned before and not called for again.
        skipped: Photos that were not called for, as nothing was found on them.
        cost: Of the paid and maybe paid calls, at the price each was made at.
        maybe_cost: The part of it that may not have been billed.
        codes: How many calls ended with each code.
    """

    batch_id: int
    day: date
    calls: int = 0
    paid: int = 0
    maybe_paid: int = 0
    unpaid: int = 0
    open: int = 0
    reused: int = 0
    skipped: int = 0
    cost: Decimal = NOTHING
    maybe_cost: Decimal = NOTHING
    codes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a batch has cost so far: calls that were billed, and the money of those that were or may have been."""

    paid: int
    cost: Decimal


def spent(connection: Connection, batch_id: int) -> Spent:
    """Return what a batch has cost so far."""
    statement = text(
        "SELECT count(*) FILTER (WHERE spend = 'paid'), coalesce(sum(price) FILTER (WHERE spend <> 'none'), 0) "
        "FROM attempts WHERE batch_id = :id AND sent_at IS NOT NULL AND answered_at IS NOT NULL"
    )
    paid, cost = connection.execute(statement, {"id": batch_id}).one()
    return Spent(int(paid), Decimal(cost))


def ledger(connection: Connection, *, batch_id: int | None, days: int | None) -> list[LedgerLine]:
    """Return a line for each batch and day on which something was called or reused, newest day first.

    Args:
        connection: An open transaction.
        batch_id: Only this batch; None for all.
        days: Only so many days, today (UTC) being the first; None for all.
    """
    lines: dict[tuple[int, date], LedgerLine] = {}
    for row in connection.execute(_calls(batch_id, days), {"batch": batch_id, "days": days}):
        line = lines.setdefault((row.batch_id, row.day), LedgerLine(row.batch_id, row.day))
        line.calls += row.calls
        line.paid += row.paid
        line.maybe_paid += row.maybe_paid
        line.open += row.open
        line.unpaid += row.calls - row.paid - row.maybe_paid - row.open
        line.cost += row.cost
        line.maybe_cost += row.maybe_cost
        if row.code is not None:
            line.codes[row.code] += row.calls - row.open
    for row in connection.execute(_reused(batch_id, days), {"batch": batch_id, "days": days}):
        line = lines.setdefault((row.batch_id, row.day), LedgerLine(row.batch_id, row.day))
        line.reused += row.reused
        line.skipped += row.skipped
    return sorted(lines.values(), key=lambda line: (line.day, line.batch_id), reverse=True)


def total(lines: Iterable[LedgerLine]) -> LedgerLine:
    """Return what lines come to together; it is no batch's and no day's."""
    summed = LedgerLine(0, date.min)
    for line in lines:
        for name in ("calls", "paid", "maybe_paid", "unpaid", "open", "reused", "skipped", "cost", "maybe_cost"):
            setattr(summed, name, getattr(summed, name) + getattr(line, name))
        summed.codes.update(line.codes)
    return summed


def _calls(batch_id: int | None, days: int | None) -> TextClause:
    return text(
        "SELECT batch_id, CAST(sent_at AT TIME ZONE 'UTC' AS date) AS day, code, count(*) AS calls, "  # noqa: S608
        "count(*) FILTER (WHERE answered_at IS NULL) AS open, "
        "count(*) FILTER (WHERE spend = 'paid' AND answered_at IS NOT NULL) AS paid, "
        "count(*) FILTER (WHERE spend = 'maybe' AND answered_at IS NOT NULL) AS maybe_paid, "
        "coalesce(sum(price) FILTER (WHERE spend <> 'none' AND answered_at IS NOT NULL), 0) AS cost, "
        "coalesce(sum(price) FILTER (WHERE spend = 'maybe' AND answered_at IS NOT NULL), 0) AS maybe_cost "
        f"FROM attempts WHERE sent_at IS NOT NULL{_only('sent_at', batch_id, days)} GROUP BY 1, 2, 3"
    )


def _reused(batch_id: int | None, days: int | None) -> TextClause:
    return text(
        "SELECT batch_id, CAST(finished_at AT TIME ZONE 'UTC' AS date) AS day, "  # noqa: S608
        "count(reused_from) AS reused, count(*) FILTER (WHERE reused_from IS NULL) AS skipped FROM jobs "
        f"WHERE state = 'succeeded' AND (reused_from IS NOT NULL OR is_bare AND code = '{NOTHING_TO_REMOVE}') "
        f"AND finished_at IS NOT NULL{_only('finished_at', batch_id, days)} GROUP BY 1, 2"
    )


def _only(moment: str, batch_id: int | None, days: int | None) -> str:
    # Conditions that are there only when asked for let PostgreSQL choose the index that fits.
    found = "" if batch_id is None else " AND batch_id = :batch"
    if days is not None:
        first = "(CAST(now() AT TIME ZONE 'UTC' AS date) - (CAST(:days AS integer) - 1)) AT TIME ZONE 'UTC'"
        found += f" AND {moment} >= {first}"
    return found
