"""Waiting for a batch to end, and saying in time why it does not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from cli.running.progress import Display, Meter
from cli.running.stops import CanaryFailed, go_on_if_affordable, why_stopped
from core.errors import AccountRefused, BudgetReached, DatabaseDown
from core.figures import clock, counted
from core.settings import Settings
from core.states import called
from db import batches, circuits, outages, processes, tallies
from db.batches import ENDED, BatchRow
from db.circuits import OpenCircuit
from db.session import transact
from db.tallies import BatchCounts

LOOK_EVERY_SECONDS = 0.25
LOOK_PAUSE_FACTOR = 5
DATABASE_PATIENCE_SECONDS = 30.0
NO_WORKER = "no worker is running; `cleanplate up` starts one"
FIRST_PHOTOS = "the first photos are in progress…"


@dataclass(frozen=True, slots=True)
class BatchGlance:
    """A batch at one moment."""

    batch: BatchRow
    counts: BatchCounts
    circuit: OpenCircuit | None


def look(connection: Connection, batch_id: int, account: str) -> BatchGlance:
    """Return how a batch stands."""
    batch = batches.get(connection, batch_id)
    if batch is None:
        raise DatabaseDown(f"Batch {batch_id} is gone from the database; was the database replaced while we waited?")
    return BatchGlance(batch, tallies.counts(connection, batch_id), circuits.find_open(connection, account))


def wait_for_end(
    engine: Engine,
    batch_id: int,
    *,
    since: datetime,
    settings: Settings,
    display: Display,
    check: Callable[[], None] = lambda: None,
    idle_note: str = NO_WORKER,
) -> BatchCounts:
    """Show progress until nothing of the batch is left to run, and return the counts.

    Args:
        engine: The database.
        batch_id: Which batch.
        since: When waiting began, by PostgreSQL's clock; a refusal before that is an old one.
        settings: Whose account, quota and budget.
        display: Where progress goes.
        check: Called at each look; raises when waiting has become pointless.
        idle_note: What to say as long as no worker is there.

    Raises:
        AccountRefused: The API refuses the account; the photos wait.
        BudgetReached: The budget is used up; the photos wait.
        CanaryFailed: Too many of the photos that went first came out badly; the others wait.
        DatabaseDown: PostgreSQL stayed away.
    """
    meter = Meter(settings.removal_rate)
    with display:
        while True:
            began = time.monotonic()
            glance = transact(
                engine,
                lambda connection: look(connection, batch_id, settings.account),
                patience_seconds=DATABASE_PATIENCE_SECONDS,
            )
            note = _note(glance) or _first_note(engine, glance.counts, idle_note)
            display.show(glance.counts, meter.describe(glance.counts, note))
            if glance.counts.unsettled == 0 or glance.batch.state in ENDED:
                transact(engine, batches.finish_settled, patience_seconds=DATABASE_PATIENCE_SECONDS)
                return glance.counts
            circuit = glance.circuit
            if circuit is not None and circuit.reason == "account" and circuit.last_failed_at > since:
                raise AccountRefused(
                    f"The removal API refuses this account: {circuit.code} ({circuit.message}). Nothing is lost: "
                    f"{counted(glance.counts.unsettled, 'photo is', 'photos are')} waiting. Check REMOVAL_API_KEY and "
                    "REMOVAL_API_SECRET, the account's quota and this machine's clock, then run the same command again."
                )
            _raise_if_stopped(engine, glance, settings)
            check()
            # Counting a million rows takes half a second; looking must stay cheap beside the work.
            time.sleep(max(LOOK_EVERY_SECONDS, LOOK_PAUSE_FACTOR * (time.monotonic() - began)))


def _raise_if_stopped(engine: Engine, glance: BatchGlance, settings: Settings) -> None:
    if glance.batch.state != "paused" or glance.counts.running:
        return

    def ask(connection: Connection) -> BudgetReached | CanaryFailed | None:
        # A call that turned out to cost nothing may have made room in this very moment.
        batch = go_on_if_affordable(connection, glance.batch.id, settings)
        return why_stopped(connection, batch, glance.counts, settings)

    stopped = transact(engine, ask, patience_seconds=DATABASE_PATIENCE_SECONDS)
    if stopped is not None:
        raise stopped


def _first_note(engine: Engine, counts: BatchCounts, idle_note: str) -> str:
    """Return what is waited for before anything has begun."""
    if counts.calls or counts.running or counts.unsettled < counts.total:
        return ""
    alive = transact(
        engine,
        lambda connection: processes.count_alive(connection, "worker"),
        patience_seconds=DATABASE_PATIENCE_SECONDS,
    )
    return FIRST_PHOTOS if alive else idle_note


def _note(glance: BatchGlance) -> str:
    notes = []
    if glance.batch.state == "paused" and glance.batch.pause_reason:
        notes.append(f"paused: {called(glance.batch.pause_reason)}")
    if glance.batch.canary_state == "running":
        notes.append("canary")
    circuit = glance.circuit
    if circuit is not None and circuit.reason == outages.REASON:
        # Clock times: a countdown would make every line a new one.
        notes.append(
            f"provider down since {clock(circuit.opened_at)} ({circuit.code}), no calls; next probe "
            f"{clock(circuit.next_probe_at)}"
        )
    elif circuit is not None:
        notes.append(f"circuit open: {circuit.code}")
    return " · ".join(notes)
