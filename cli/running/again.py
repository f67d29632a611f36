"""A source that is handed in again: whether anything is left to do."""

from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine

from core.content import content_key
from db import history
from db.session import transact
from db.tallies import BatchCounts
from producer.catalogue.item import Item, item_key
from producer.catalogue.source import identity, read_source
from producer.intake import BatchOptions, source_key, what_to_take_off

PAGE = 500


def find_done(
    engine: Engine, provider: str, source: str, out: Path, options: BatchOptions
) -> tuple[int, BatchCounts] | None:
    """Return the batch in which all that is in a source now is clean or held, and its counts; None otherwise.

    Of a photo at a URL only fetching it tells whether it is still the same; and what is to be paid for again, or was
    made by another provider, is not clean.

    Args:
        engine: The database.
        provider: Who would be asked.
        source: As typed.
        out: A folder that is no part of it.
        options: What to take off.

    Raises:
        UsageError: The source cannot be used.
    """
    if options.force:
        return None
    key = source_key(identity(source), options)
    found = transact(engine, lambda connection: history.find_done_batch(connection, key))
    if found is None:
        return None
    batch_id, counts = found
    seen: set[str] = set()
    items = islice(read_source(source, leave_out=out, reading=options.reading), options.limit)
    while page := list(islice(items, PAGE)):
        look = partial(_done_keys, batch_id=batch_id, page=page, provider=provider, options=options)
        done = transact(engine, look)
        if done is None:
            return None
        seen |= done
    # One that was taken out of the source is not to come out again.
    return found if len(seen) == counts.total else None


def _done_keys(
    connection: Connection, batch_id: int, page: Sequence[Item], provider: str, options: BatchOptions
) -> set[str] | None:
    """Return the keys of a page's items; None when one of them may have something left to do."""
    wanted: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for item in page:
        elements, subject, mask = what_to_take_off(item, options)
        # Of a mask the content's key tells only together with the photo's size.
        if not item.version or mask is not None:
            return None
        wanted[item_key(item, elements, subject)] = elements, subject
    done = history.find_done_items(connection, batch_id, list(wanted))
    for key, (elements, subject) in wanted.items():
        row = done.get(key)
        if row is None or row.content_key not in {
            content_key(provider, row.source_sha256, elements, subject, None, is_raw=is_raw) for is_raw in (False, True)
        }:
            return None
    return set(wanted)
