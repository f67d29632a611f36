"""`cleanplate budget` and `cleanplate costs`: what may be spent, and what was."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import click
from sqlalchemy import Connection

from actions.budgets import describe_budget, set_limits
from actions.cost_sheet import as_csv, name_of, saved
from cli.actor import actor
from cli.database import find_batch, open_database
from cli.options import MOST_ID, batch_argument, json_option, max_calls_option, max_cost_option, require_price
from cli.speech import say
from core.figures import counted
from core.money import describe_saved, describe_spent, money, price_of
from core.settings import Settings, load_settings
from db import budgets, costs
from db.batches import BatchRow
from db.costs import CostLine, CostsBy, LedgerLine, Spending, Spent
from db.session import transact

MOST_DAYS = 36_500
SHOWN_CODES = 4


@click.command()
@batch_argument
@max_calls_option
@max_cost_option
@json_option
def budget(batch: int, max_calls: int | None, max_cost: Decimal | None, as_json: bool) -> None:
    """Show or set a batch's limits; a batch that waits for budget continues once it has some."""
    settings = load_settings()
    require_price(settings, max_cost)

    def work(connection: Connection) -> tuple[BatchRow, Spent]:
        row = set_limits(connection, actor(), batch, settings, max_calls=max_calls, max_cost=max_cost)
        return row, costs.spent(connection, batch)

    with open_database(settings) as engine:
        row, spent = transact(engine, work)
    if as_json:
        say(json.dumps(_budget_as_dict(row, spent, settings)))
        return
    cost = describe_spent(spent.cost, settings, calls=spent.billed)
    say(f"Batch {batch}: {describe_budget(row, settings)}; cost so far: {cost}.")
    if row.pause_reason == budgets.PAUSE_REASON:
        say(f"It waits for budget; `cleanplate budget {batch} --max-calls N` raises it.")


@click.command(name="costs")
@click.argument("batch", type=click.IntRange(1, MOST_ID), required=False)
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    help="Only the last so many days (UTC), including today.  [default: all]",
)
@click.option("--by", type=click.Choice([each.value for each in CostsBy]), help="A line for each of these instead.")
@click.option("--csv", "as_sheet", is_flag=True, help="Print it as CSV; with --by.")
@json_option
def show_costs(batch: int | None, days: int | None, by: str | None, as_sheet: bool, as_json: bool) -> None:
    """Show calls, cost and savings per batch and day (UTC), or per day, batch, connection or lane."""
    if by is not None and (batch is not None or as_json):
        raise click.UsageError("--by is for all batches, and for people or CSV; leave BATCH and --json out.")
    if as_sheet and by is None:
        raise click.UsageError("--csv needs --by, such as --by day.")
    settings = load_settings()
    with open_database(settings) as engine:
        if by is not None:
            lines_by = transact(engine, lambda connection: costs.costs_by(connection, CostsBy(by), days=days))
            _say_lines(lines_by, CostsBy(by), settings, as_sheet=as_sheet)
            return
        if batch is not None:
            find_batch(engine, batch)
        lines = transact(engine, lambda connection: costs.ledger(connection, batch_id=batch, days=days))
    if as_json:
        say(json.dumps(_ledger_as_dict(lines, settings)))
    elif not lines:
        say("Nothing was called or reused" + (f" in the last {counted(days, 'day')}." if days else " yet."))
    else:
        for row in _table(lines, settings):
            say(row)
        total = costs.total(lines)
        kept = sum(saved(total, settings), Decimal(0))
        if kept:
            say(f"Saved: {describe_saved(kept, settings)} for photos that needed no call.")


def _say_lines(lines: list[CostLine], by: CostsBy, settings: Settings, *, as_sheet: bool) -> None:
    if as_sheet:
        for row in as_csv(lines, by, settings).splitlines():
            say(row)
        return
    if not lines:
        say("Nothing was called or reused.")
        return
    say(f"{by.value:<28} {'calls':>8} {'paid':>8} {'maybe':>6} {'reused':>8} {'skipped':>8} {'cost':>14} {'saved':>14}")
    rows: list[tuple[str, Spending]] = [(name_of(line, by), line) for line in lines]
    for name, line in [*rows, ("all", costs.total(lines))]:
        kept = money(sum(saved(line, settings), Decimal(0)), settings.removal_currency)
        say(
            f"{name:<28} {line.calls:>8} {line.paid:>8} {line.maybe_paid:>6} {line.reused:>8} {line.skipped:>8} "
            f"{money(line.cost, settings.removal_currency):>14} {kept:>14}"
        )
    if settings.is_free and (billed := costs.total(lines).billed):
        say(f"Calls to the sandbox are {price_of(billed, settings)}.")


def _budget_as_dict(row: BatchRow, spent: Spent, settings: Settings) -> dict[str, Any]:
    return {
        "batch": row.id,
        "state": row.state,
        "pause_reason": row.pause_reason,
        "max_calls": row.max_calls,
        "max_cost": None if row.max_cost is None else float(row.max_cost),
        "calls_made": row.calls_made,
        "cost_reserved": float(row.cost_reserved),
        "paid": spent.paid,
        "cost": float(spent.cost),
        "currency": settings.removal_currency,
    }


def _ledger_as_dict(lines: list[LedgerLine], settings: Settings) -> dict[str, Any]:
    rows = [
        {
            "batch": line.batch_id,
            "day": line.day.isoformat(),
            "calls": line.calls,
            "paid": line.paid,
            "maybe_paid": line.maybe_paid,
            "unpaid": line.unpaid,
            "open": line.open,
            "reused": line.reused,
            "skipped": line.skipped,
            "cost": float(line.cost),
            "maybe_cost": float(line.maybe_cost),
            "saved": float((line.reused + line.skipped) * settings.removal_price),
            "codes": dict(line.codes.most_common()),
        }
        for line in lines
    ]
    total = costs.total(lines)
    return {
        "currency": settings.removal_currency,
        "calls": total.calls,
        "paid": total.paid,
        "maybe_paid": total.maybe_paid,
        "unpaid": total.unpaid,
        "open": total.open,
        "reused": total.reused,
        "skipped": total.skipped,
        "cost": float(total.cost),
        "saved": float((total.reused + total.skipped) * settings.removal_price),
        "ledger": rows,
    }


def _table(lines: list[LedgerLine], settings: Settings) -> list[str]:
    head = "day         batch   calls    paid  maybe  unpaid  reused skipped           cost  codes"
    rows = [_row(line.day.isoformat(), str(line.batch_id), line, line.codes, settings) for line in lines]
    codes = sum((line.codes for line in lines), Counter[str]())
    return [head, *rows, _row("all", "", costs.total(lines), codes, settings)]


def _row(day: str, batch: str, line: Spending, by_code: Counter[str], settings: Settings) -> str:
    codes = ", ".join(f"{count} × {code}" for code, count in by_code.most_common(SHOWN_CODES))
    more = len(by_code) - SHOWN_CODES
    return (
        f"{day:<10} {batch:>6} {line.calls:>7} {line.paid:>7} {line.maybe_paid:>6} {line.unpaid:>7} "
        f"{line.reused:>7} {line.skipped:>7} "
        f"{money(line.cost, settings.removal_currency):>14}  {codes}{f', {more} more' if more > 0 else ''}"
    ).rstrip()
