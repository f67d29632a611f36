"""A source that is handed in again: whether anything is left to do."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine

from cli.speech import say
from core.content import content_key
from core.errors import SourceError
from core.figures import counted
from core.settings import Settings
from db import history
from db.session import transact
from db.tallies import BatchCounts
from photos.fetch import Fetcher
from producer.catalogue.item import Item, item_key
from producer.catalogue.source import identity, read_source
from producer.catalogue.typed_url import is_url
from producer.intake import BatchOptions, source_key, what_to_take_off

PAGE = 500
MOST_FETCHED = 200
FETCHED_AT_ONCE = 16
FETCH_SECONDS = 5.0
ALTOGETHER_SECONDS = 10.0
"""Somebody waits for all of them together; what takes longer is a worker's to find out."""
MOST_BYTES = 40_000_000


def find_done(
    engine: Engine, provider: str, source: str, out: Path, options: BatchOptions, fetcher: Fetcher
) -> tuple[int, BatchCounts] | None:
    """Return the batch in which all that is in a source now is clean or held, and its counts; None otherwise.

    Of a photo at a URL only fetching it tells whether it is still the same; of many of them, and of slow ones, a worker
    finds out. What is to be paid for again, or was made by another provider, is not clean.

    Args:
        engine: The database.
        provider: Who would be asked.
        source: As typed.
        out: A folder that is no part of it.
        options: What to take off.
        fetcher: For photos at URLs.

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
    hashes: dict[str, set[str]] = {}
    items = islice(read_source(source, leave_out=out, reading=options.reading), options.limit)
    while page := list(islice(items, PAGE)):
        look = partial(_done_keys, batch_id=batch_id, page=page, provider=provider, options=options)
        done = transact(engine, look)
        if done is None:
            return None
        seen |= done.keys()
        for url, before in filter(None, done.values()):
            hashes.setdefault(url, set()).add(before)
        if len(hashes) > MOST_FETCHED:
            return None
    # One that was taken out of the source is not to come out again.
    return found if len(seen) == counts.total and _are_same(hashes, fetcher) else None


def make_fetcher(settings: Settings) -> Fetcher:
    """Return what looks at photos' URLs; who waits for it is a person."""
    return Fetcher(min(settings.fetch_timeout, FETCH_SECONDS), MOST_BYTES, settings.fetch_allow_private)


def _are_same(hashes: Mapping[str, set[str]], fetcher: Fetcher) -> bool:
    """Return whether the photos at these URLs are known to have these hashes still."""
    if not hashes:
        return True
    photos = counted(len(hashes), "photo at a URL is", "photos at URLs are")
    say(f"Looking whether {photos} still the same\u2026", err=True)
    deadline = time.monotonic() + ALTOGETHER_SECONDS

    def is_same(url: str) -> bool:
        left = deadline - time.monotonic()
        try:
            return left > 0 and hashes[url] == {sha256(fetcher.get(url, most_seconds=left).data).hexdigest()}
        except SourceError:
            return False

    with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
        return all(pool.map(is_same, hashes))


def _done_keys(
    connection: Connection, batch_id: int, page: Sequence[Item], provider: str, options: BatchOptions
) -> dict[str, tuple[str, str] | None] | None:
    """Return the keys of a page's items, and the URLs and hashes of those that have to be fetched.

    None when one of them may have something left to do.
    """
    wanted: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    urls: dict[str, str] = {}
    for item in page:
        elements, subject, mask = what_to_take_off(item, options)
        # Of a mask the content's key tells only together with the photo's size.
        if mask is not None or not (item.version or is_url(item.uri)):
            return None
        key = item_key(item, elements, subject)
        wanted[key] = elements, subject
        if not item.version:
            urls[key] = item.uri
    done = history.find_done_items(connection, batch_id, list(wanted))
    for key, (elements, subject) in wanted.items():
        row = done.get(key)
        if row is None or row.content_key not in {
            content_key(provider, row.source_sha256, elements, subject, None, is_raw=is_raw) for is_raw in (False, True)
        }:
            return None
    return {key: (urls[key], done[key].source_sha256) if key in urls else None for key in wanted}
