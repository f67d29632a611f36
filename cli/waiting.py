"""Waiting for a batch to end, and saying in time why it does not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from cli.progress import Display, Meter
from core.errors import AccountRefused, DatabaseDown
from db import batches, circuits
from db.batches import ENDED, BatchCounts, BatchRow
from db.circuits import OpenCircuit
from db.session import transact

LOOK_EVERY_SECONDS = 0.25
LOOK_PAUSE_FACTOR = 5
DATABASE_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Glance:
    """A batch at one moment."""

    batch: BatchRow
    counts: BatchCounts
    circuit: OpenCircuit | None


def look(connection: Connection, batch_id: int, account: str) -> Glance:
    """Return how a batch stands."""
    batch = batches.get(connection, batch_id)
    if batch is None:
        raise DatabaseDown(f"Batch {batch_id} is gone from the database; was it replaced while we waited?")
    return Glance(batch, batches.counts(connection, batch_id), circuits.find_open(connection, account))


def wait_for_end(
    engine: Engine,
    batch_id: int,
    *,
    since: datetime,
    account: str,
    rate: float,
    display: Display,
    check: Callable[[], None] = lambda: None,
) -> BatchCounts:
    """Show progress until nothing of the batch is left to run, and return the counts.

    Args:
        engine: The database.
        batch_id: Which batch.
        since: When waiting began, by PostgreSQL's clock; a refusal before that is an old one.
        account: The API account whose circuit may stop it.
        rate: The quota in calls per second, for the display.
        display: Where progress goes.
        check: Called at each look; raises when waiting has become pointless.

    Raises:
        AccountRefused: The API refuses the account; the photos wait.
        DatabaseDown: PostgreSQL stayed away.
    """
    meter = Meter(rate)
    with display:
        while True:
            began = time.monotonic()
            glance = transact(
                engine,
                lambda connection: look(connection, batch_id, account),
                patience_seconds=DATABASE_PATIENCE_SECONDS,
            )
            note = f"circuit open: {glance.circuit.code}" if glance.circuit else ""
            display.show(glance.counts, meter.describe(glance.counts, glance.batch.state, note))
            if glance.counts.unsettled == 0 or glance.batch.state in ENDED:
                transact(engine, batches.finish_settled, patience_seconds=DATABASE_PATIENCE_SECONDS)
                return glance.counts
            circuit = glance.circuit
            if circuit is not None and circuit.reason == "account" and circuit.last_failed_at > since:
                raise AccountRefused(
                    f"The removal API refuses this account: {circuit.code} ({circuit.message}). Nothing is lost: "
                    f"{glance.counts.unsettled} photos wait. Check REMOVAL_API_KEY and REMOVAL_API_SECRET, the "
                    "account's quota and this machine's clock, then run the same command again."
                )
            check()
            # Counting a million rows takes half a second; looking must stay cheap beside the work.
            time.sleep(max(LOOK_EVERY_SECONDS, LOOK_PAUSE_FACTOR * (time.monotonic() - began)))
