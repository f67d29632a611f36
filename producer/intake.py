"""Rows become a batch and its jobs, in one transaction: all of them or none."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from core.errors import UsageError
from core.states import Fit, JobState, Lane, Screen, Send
from db import batches, budgets, canaries, requeues
from db.cancels import CANCELLED
from db.statements import text
from producer.catalogue import faults
from producer.catalogue.format import AS_IT_IS, Reading
from producer.catalogue.item import Item, item_key, storable

ANALYZED_FROM = 10_000
"""So many new rows may change what is the best plan."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What holds for every photo of a batch that does not say otherwise.

    Args:
        elements: What to take off outside the main subject (1 to 4).
        subject_elements: What to take off the main subject.
        lane: Which queue its jobs wait in.
        limit: Only the first so many photos; None for all.
        fit: Whether photos outside the API's bounds are made to fit, or refused.
        send: Whether photos are sent as URL, as bytes, or whichever is better for each.
        force: Whether photos that were cleaned before, in another batch, are paid for again.
        screen: Whether photos that carry nothing to take off are told apart, and called for.
        strip_metadata: Whether outputs tell nothing beside their picture: no Exif with GPS, XMP, IPTC, text.
        mask: Run lengths of the area to erase, for photos that bring none.
        canary: So many photos go first; the rest follows when they came out well.
        max_calls: Most calls for the whole batch.
        max_cost: Most that its calls may cost.
        reading: How the source is read.
    """

    elements: tuple[int, ...] = (1, 2, 3, 4)
    subject_elements: tuple[int, ...] = (1, 2, 3, 4)
    lane: Lane = Lane.BULK
    limit: int | None = None
    fit: Fit = Fit.FIT
    send: Send = Send.AUTO
    force: bool = False
    screen: Screen = Screen.OFF
    strip_metadata: bool = False
    mask: str | None = None
    canary: int | None = None
    max_calls: int | None = None
    max_cost: Decimal | None = None
    reading: Reading = AS_IT_IS

    def as_dict(self) -> dict[str, Any]:
        """Return what decides about the outputs, as JSON keeps it; budget and canary may change from run to run."""
        told: dict[str, Any] = {} if self.screen is Screen.OFF else {"screen": self.screen.value}
        if self.strip_metadata:
            told["strip_metadata"] = True
        return told | {
            "elements": list(self.elements),
            "subject_elements": list(self.subject_elements),
            "lane": self.lane.value,
            "limit": self.limit,
            "fit": self.fit.value,
            "send": self.send.value,
            "force": self.force,
            "mask": self.mask,
            "reading": {name: told for name, told in asdict(self.reading).items() if name != "is_strict"},
        }


@dataclass(frozen=True, slots=True)
class Intake:
    """What a submission came to.

    Args:
        batch_id: Its batch.
        added: How many jobs are new, also those of rows that cannot be read.
        resumed: Whether an unfinished batch goes on.
        faults: How many of what was handed in are rows that cannot be read.
        first_fault: What is wrong with the first of them.
    """

    batch_id: int
    added: int
    resumed: bool
    faults: int = 0
    first_fault: str = ""


@dataclass(slots=True)
class _Copied:
    photos: int = 0
    faults: int = 0
    first_fault: str = ""


def source_key(source: str, options: BatchOptions) -> str:
    """Return what tells that the same source is handed in again with the same options."""
    return hashlib.sha256(f"{source}\x00{json.dumps(options.as_dict(), sort_keys=True)}".encode()).hexdigest()


def submit(
    connection: Connection,
    items: Iterable[Item],
    *,
    name: str,
    source: str,
    options: BatchOptions,
    made_by: str | None = None,
) -> Intake:
    """Write a batch and its jobs; an unfinished batch of the same source and options goes on instead.

    Args:
        connection: An open transaction; the caller commits.
        items: The photos; read once, streamed, each distinct one becomes one job.
        name: What people call the batch.
        source: What identifies the source, such as an absolute path.
        options: What holds for the whole batch.
        made_by: Who hands it in, as the audit log names them.

    Raises:
        UsageError: There is no photo in it.
    """
    # A million rows take longer than any other statement may.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    # Before anything is locked: a source may take minutes to read.
    copied = _copy(connection, islice(items, options.limit), options)
    if copied.photos == 0:
        raise UsageError(
            f"No photo found in {name}. Photos are JPEG, PNG, BMP and other image files, or URLs of them."
            + (f" {copied.first_fault}" if copied.faults else "")
        )
    key = source_key(source, options)
    gets_limits = not (options.max_calls is None and options.max_cost is None)
    found = batches.find_unfinished(connection, key, gets_limits=gets_limits)
    kept = json.dumps(options.as_dict() | {"source": source})
    batch_id = found or batches.create(
        connection, name=name, source_key=key, lane=options.lane, options=kept, made_by=made_by
    )
    statement = text(
        "INSERT INTO jobs (batch_id, state, code, message, finished_at, source_uri, item_key, name, sku, elements, "
        "subject_elements, mask) SELECT :batch_id, CASE WHEN fault IS NULL THEN 'pending' ELSE 'dead' END, "
        "CASE WHEN fault IS NOT NULL THEN :code END, fault, CASE WHEN fault IS NOT NULL THEN now() END, source_uri, "
        # A temporary table is read in the order it was written, so that the first of several that are one job wins.
        "item_key, name, sku, elements, subject_elements, mask FROM intake "
        "ON CONFLICT (batch_id, item_key) DO NOTHING"
    )
    added = connection.execute(statement, {"batch_id": batch_id, "code": faults.CODE}).rowcount
    budgets.set_limits(
        connection, batch_id, max_calls=options.max_calls, max_cost=options.max_cost, is_new=found is None
    )
    if found is not None:
        added += _revive(connection, batch_id)
    if options.canary and found is None:
        canaries.choose(connection, batch_id, options.canary)
    if added >= ANALYZED_FROM:
        # Else PostgreSQL plans with what was there before, until it looks by itself a minute or more later.
        connection.execute(text("ANALYZE (SKIP_LOCKED) jobs"))
    return Intake(
        batch_id=batch_id,
        added=added,
        resumed=found is not None,
        faults=copied.faults,
        first_fault=copied.first_fault,
    )


def what_to_take_off(item: Item, options: BatchOptions) -> tuple[tuple[int, ...], tuple[int, ...], str | None]:
    """Return an item's elements, its elements on the main subject, and its mask; the batch's where it names none.

    Raises:
        UsageError: There is nothing to take off.
    """
    elements = options.elements if item.elements is None else item.elements
    subject = item.subject_elements
    if subject is None:
        subject = options.subject_elements if item.elements is None else elements
    mask = item.mask or options.mask
    if not elements and not subject and mask is None:
        raise UsageError(f"{item.name}: no element and no mask, so there is nothing to remove.")
    return elements, subject, mask


def _revive(connection: Connection, batch_id: int) -> int:
    """Ask again for what is handed in and was cancelled; return how many that are.

    Of many the first go at once and the rest bit by bit, unless there are others in the batch that were cancelled and
    are not handed in.
    """
    cancelled = _find_cancelled(connection, batch_id)
    if not cancelled:
        return 0
    if len(cancelled) > requeues.AT_ONCE and len(cancelled) == _count_cancelled(connection, batch_id):
        return requeues.requeue(connection, batch_id, state=JobState.CANCELLED)
    batches.lock(connection, batch_id)
    return requeues.revive(connection, cancelled)


def _count_cancelled(connection: Connection, batch_id: int) -> int:
    statement = text(
        f"SELECT count(*) FROM jobs AS j JOIN batches AS b ON b.id = j.batch_id WHERE b.id = :id AND {CANCELLED}"  # noqa: S608
    )
    return int(connection.execute(statement, {"id": batch_id}).scalar_one())


def _find_cancelled(connection: Connection, batch_id: int) -> list[int]:
    """Return the jobs of what is handed in that were cancelled, before their batch was reopened for others."""
    was_cancelled = text("SELECT cancelled_at IS NOT NULL FROM batches WHERE id = :batch_id")
    if not connection.execute(was_cancelled, {"batch_id": batch_id}).scalar_one():
        return []
    statement = text(
        "SELECT j.id FROM intake AS i JOIN jobs AS j ON j.batch_id = :batch_id AND j.item_key = i.item_key "  # noqa: S608
        f"JOIN batches AS b ON b.id = j.batch_id WHERE {CANCELLED}"
    )
    return list(connection.execute(statement, {"batch_id": batch_id}).scalars())


def _copy(connection: Connection, items: Iterable[Item], options: BatchOptions) -> _Copied:
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE intake (source_uri text, item_key text, name text, sku text, "
            "elements smallint[], subject_elements smallint[], mask text, fault text) ON COMMIT DROP"
        )
    )
    driver = connection.connection.driver_connection
    assert driver is not None
    copied = _Copied()
    with driver.cursor() as cursor, cursor.copy("COPY intake FROM STDIN") as copy:
        for item in items:
            elements, subject, mask = what_to_take_off(item, options)
            copy.write_row(
                (
                    item.uri,
                    item_key(item, elements, subject),
                    storable(item.name),
                    None if item.sku is None else storable(item.sku),
                    _array(elements),
                    _array(subject),
                    mask,
                    item.fault or None,
                )
            )
            if item.fault:
                copied.faults += 1
                copied.first_fault = copied.first_fault or item.fault
            else:
                copied.photos += 1
    return copied


@cache
def _array(numbers: tuple[int, ...]) -> str:
    """Return numbers as PostgreSQL reads an array; the same few come a million times."""
    return f"{{{','.join(map(str, numbers))}}}"
