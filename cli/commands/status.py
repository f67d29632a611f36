"""How batches stand: `status`, and `watch` until one ends."""

import json
from typing import Any

import click
from sqlalchemy import Connection, Engine

from actions.budgets import describe_budget
from actions.samples import describe_sign_off
from actions.status import find_standing
from cli.colour import paint, say_standing
from cli.database import find_batch, open_database
from cli.options import MOST_ID, batch_argument, json_option
from cli.running.circuit import as_dict as circuit_as_dict
from cli.running.circuit import describe_circuit
from cli.running.progress import make_display
from cli.running.stops import why_stopped
from cli.running.wait import wait_for_end
from cli.speech import say
from core.figures import count, counted
from core.money import describe_saved, describe_spent, money
from core.settings import Settings, load_settings
from core.states import NOTHING_TO_REMOVE, Screen, called
from db import batches, canaries, circuits, costs, failures, looks, samples, tallies
from db.batches import BatchRow
from db.session import now, transact
from db.tallies import BatchCounts

MOST_BATCHES = 20
MOST_HELD = 20
MOST_WAITING = 3


@click.command()
@click.argument("batch", type=click.IntRange(1, MOST_ID), required=False)
@json_option
def status(batch: int | None, as_json: bool) -> None:
    """Show the state of one batch, or of the newest ones."""
    settings = load_settings()
    with open_database(settings) as engine:
        rows = [find_batch(engine, batch)] if batch else transact(engine, lambda c: batches.newest(c, MOST_BATCHES))
        total = transact(engine, batches.count) if len(rows) == MOST_BATCHES else len(rows)
        found = [_describe(engine, row, settings) for row in rows]
        circuit = transact(engine, lambda connection: circuits.find_open(connection, settings.account))
        standing = None if batch else transact(engine, lambda connection: find_standing(connection, settings))
        details = transact(engine, lambda c: _details(c, rows[0], settings)) if batch and not as_json else []
    told = circuit_as_dict(circuit)
    if as_json:
        whole = {"batches": found, "circuit": told, "standing": standing.as_dict() if standing else None}
        say(json.dumps({**found[0], "circuit": told} if batch else whole))
    elif not found:
        say("There are no batches yet; `cleanplate submit SOURCE` creates one.")
    else:
        if standing is not None:
            say_standing(standing)
        for row in found:
            say(_line(row), mark=f"{row['batch']:>5}  {paint(row['state'], _colour(row))}")
        for line in details:
            say(line)
        if total > len(found) > 1:
            say(f"The newest {len(found)} of {count(total)} batches; `cleanplate status BATCH` shows one.", err=True)
    if circuit is not None and batch:
        say(f"No calls are made: {describe_circuit(circuit)}", err=True)


@click.command()
@batch_argument
def watch(batch: int) -> int:
    """Show a batch's progress until it ends or needs a person."""
    settings = load_settings()
    with open_database(settings) as engine:
        find_batch(engine, batch)
        since = transact(engine, now)
        counts = wait_for_end(engine, batch, since=since, settings=settings, display=make_display())
    return 0 if counts.succeeded == counts.total else 1


def _describe(engine: Engine, row: BatchRow, settings: Settings) -> dict[str, Any]:
    def look(connection: Connection) -> tuple[BatchCounts, costs.Spent, canaries.CanaryCounts | None]:
        canary = canaries.count(connection, row.id) if row.canary_state else None
        return tallies.counts(connection, row.id), costs.spent(connection, row.id), canary

    counts, spent, canary = transact(engine, look)
    screened = transact(engine, lambda c: looks.count(c, row.id)) if row.options.get("screen") else looks.Screened()
    told_canary = None
    if canary is not None:
        told_canary = {
            "state": row.canary_state,
            "total": canary.total,
            "succeeded": canary.succeeded,
            "dead": canary.dead,
            "held": canary.held,
            "overridden_by": row.canary_overridden_by,
        }
    return {
        "batch": row.id,
        "name": row.name,
        "lane": row.lane,
        "state": row.state,
        "pause_reason": row.pause_reason,
        **counts.as_dict(),
        "paid": spent.paid,
        "cost": float(spent.cost),
        "currency": settings.removal_currency,
        "max_calls": row.max_calls,
        "max_cost": None if row.max_cost is None else float(row.max_cost),
        "canary": told_canary,
        "screen": row.options.get("screen", Screen.OFF),
        "bare": screened.bare,
        "skipped": screened.skipped,
        "has_unlooked": screened.has_unlooked,
    }


def _line(row: dict[str, Any]) -> str:
    numbers = " ".join(
        f"{called(name)} {count(row[name])}"
        for name in ("succeeded", "pending", "queued", "running", "dead", "held", "cancelled")
        if row[name] or name == "succeeded"
    )
    why = f" ({called(row['pause_reason'])})" if row["pause_reason"] else ""
    photos = f"{counted(row['total'], 'photo')}: {numbers} · {counted(row['calls'], 'call')}"
    return f"{why}  {photos}  {row['name']}"


def _colour(row: dict[str, Any]) -> str:
    if row["state"] == "paused":
        return "yellow"
    if row["dead"] or row["held"]:
        return "red"
    return "green" if row["state"] == "finished" else "blue"


def _about_unlooked() -> str:
    return (
        "some photos could not be checked and were processed: the extra `look` is missing where workers run; see their "
        "logs"
    )


def _about_screen(screened: looks.Screened, row: BatchRow, settings: Settings) -> str:
    price = settings.removal_price
    if not screened.bare and row.options.get("screen") == Screen.SKIP:
        return "no photos skipped"
    found = f"{counted(screened.bare, 'photo has', 'photos have')} nothing to remove"
    if screened.skipped:
        saved = f", saved: {describe_saved(screened.skipped * price, settings)}" if price else ""
        found += (
            f"; {count(screened.skipped)} skipped{saved} "
            f"(`cleanplate retry {row.id} --code {NOTHING_TO_REMOVE}` processes them anyway)"
        )
    elif screened.bare:
        would = (
            f" {money(screened.bare * price, settings.removal_currency)}"
            if price
            else f" {counted(screened.bare, 'call')}"
        )
        found += f"; --screen skip would have saved{would}"
    return found


def _details(connection: Connection, row: BatchRow, settings: Settings) -> list[str]:
    lines = [f"       budget: {describe_budget(row, settings)}"]
    spent = costs.spent(connection, row.id)
    if spent.cost or (spent.billed and settings.is_free):
        calls = counted(spent.paid, "call" if settings.is_free else "paid call")
        lines.append(f"       cost: {describe_spent(spent.cost, settings, calls=spent.billed)}, {calls}")
    if row.canary_state:
        canary = canaries.count(connection, row.id)
        past = f", resumed anyway by {row.canary_overridden_by}" if row.canary_overridden_by else ""
        lines.append(
            f"       canary: {row.canary_state}{past}; of {counted(canary.total, 'photo')}, "
            f"{count(canary.succeeded)} clean, {count(canary.dead)} failed, {count(canary.held)} held"
        )
    held_in_all = tallies.counts(connection, row.id).held
    lines.extend(f"       {describe_sign_off(sample)}" for sample in samples.list_signed(connection, row.id))
    if row.options.get("screen"):
        screened = looks.count(connection, row.id)
        lines.append(f"       screen: {_about_screen(screened, row, settings)}")
        if screened.has_unlooked:
            lines.append(f"       screen: {_about_unlooked()}")
    for held in failures.list_held(connection, row.id, MOST_HELD):
        lines.append(f"       held: job {held.job_id}  {held.name}  {held.code}: {held.message or ''}".rstrip())
        if not held.has_output:
            lines.append(f"         it has no result; `cleanplate retry {row.id} --held` calls again")
    if held_in_all > MOST_HELD:
        lines.append(f"       {count(held_in_all - MOST_HELD)} more held; the report and the console show all")
    for code, photos, message in failures.count_waiting_by_code(connection, row.id, MOST_WAITING):
        why = "skipped before, processed now" if code == NOTHING_TO_REMOVE else f"{code}: {message}".rstrip(": ")
        lines.append(f"       waiting again: {count(photos)} × {why}")
    stopped = why_stopped(connection, row, tallies.counts(connection, row.id), settings)
    if stopped is not None:
        lines.append(f"       {stopped}")
    return lines
