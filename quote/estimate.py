"""Going through a source, and counting what would be called."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import islice

from sqlalchemy import Connection, Engine

from core.content import content_key
from core.errors import SourceError, UsageError
from core.settings import Settings
from core.states import Screen
from db import batches, history
from db.history import CleanedUrl, Known
from db.session import transact
from photos.findings import can_look
from producer.catalogue import faults
from producer.catalogue.item import Item, item_key
from producer.intake import BatchOptions, source_key, what_to_take_off
from quote.inspection import Looker, PhotoWish, Seen
from quote.offer import Quote
from quote.sample import QuoteSample

NO_PHOTOS: Mapping[str, bytes] = {}
PAGE = 100
"""Photos that are looked at together."""
AT_ONCE = 4
"""Files that are read at the same time, at most."""

_KEPT_BYTES = 16


def make_quote(
    engine: Engine | None,
    settings: Settings,
    items: Iterable[Item],
    *,
    source: str,
    options: BatchOptions,
    rate: float,
    photos: Mapping[str, bytes] = NO_PHOTOS,
    tell: Callable[[int], None] = lambda _: None,
) -> Quote:
    """Go through a source and return what it would come to; nothing is called, fetched or submitted.

    Args:
        engine: The database; None when there is none yet, and so nothing was cleaned.
        settings: Whose account and price.
        items: The photos.
        source: What identifies the source, as for `intake.submit`.
        options: What holds for the whole batch.
        rate: Calls per second.
        photos: Photos whose bytes are here already, by the URI of their items.
        tell: Called with the number of photos so far, now and then.

    Raises:
        UsageError: There is no photo in it, or one with nothing to take off.
    """
    quote = Quote(price=settings.removal_price, currency=settings.removal_currency, rate=rate, screen=options.screen)
    batch = transact(engine, lambda connection: _unfinished(connection, source, options)) if engine else None
    counting = _Counting(
        quote,
        engine,
        batch.id if batch else None,
        options,
        Looker(settings, options.fit, options.send),
        settings.provider,
        photos,
    )
    wishes = _wishes(islice(items, options.limit), options)
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        while page := list(islice(wishes, PAGE)):
            counting.add(page, pool)
            tell(quote.photos)
    if not quote.photos:
        raise UsageError("No photo found. Photos are JPEG, PNG, BMP and other image files, or URLs of them.")
    if options.screen is not Screen.OFF:
        quote.is_blind = not can_look()
        counting.sample.look(quote, photos, sure_from=settings.screen_sure_from)
    quote.within_budget = _within_budget(options, batch, settings.removal_price)
    return quote


class _Counting:
    def __init__(
        self,
        quote: Quote,
        engine: Engine | None,
        batch_id: int | None,
        options: BatchOptions,
        looker: Looker,
        provider: str,
        photos: Mapping[str, bytes],
    ) -> None:
        self._quote = quote
        self._engine = engine
        self._batch_id = batch_id
        # A job that is forced looks only at its own batch.
        self._only_batch = (batch_id or 0) if options.force else None
        self._looker = looker
        self._provider = provider
        self._photos = photos
        self.sample = QuoteSample()
        self._items: set[bytes] = set()
        self._contents: set[bytes] = set()

    def add(self, page: list[PhotoWish], pool: ThreadPoolExecutor) -> None:
        """Count a page of photos."""
        self._quote.photos += len(page)
        page = [wish for wish in page if self._is_new(self._items, wish.item_key)]
        for wish in page:
            if wish.fault:
                self._quote.refuse(faults.CODE, wish.name, wish.fault)
        open_ones = list(self._without_ended([wish for wish in page if not wish.fault]))
        urls = [wish for wish in open_ones if not self._is_here(wish)]
        files = [wish for wish in open_ones if self._is_here(wish)]
        self._count_urls(urls)
        self._count_files(files, list(pool.map(self._look, files)))

    def _without_ended(self, page: list[PhotoWish]) -> Iterator[PhotoWish]:
        """Count what the unfinished batch has ended already, and give the rest."""
        known: dict[str, Known] = {}
        engine, batch_id = self._engine, self._batch_id
        if engine is not None and batch_id is not None:
            keys = [wish.item_key for wish in page]
            known = transact(engine, lambda connection: history.find_items(connection, batch_id, keys))
        for wish in page:
            if (found := known.get(wish.item_key)) is None:
                yield wish
            else:
                self._count_known(wish, found)

    def _count_urls(self, urls: list[PhotoWish]) -> None:
        cleaned: defaultdict[str, list[CleanedUrl]] = defaultdict(list)
        if self._engine is not None and urls and self._only_batch != 0:
            uris = [wish.uri for wish in urls]
            found = transact(
                self._engine, lambda connection: history.find_cleaned_urls(connection, uris, self._only_batch)
            )
            for row in found:
                cleaned[row.url].append(row)
        for wish in urls:
            if not self._is_new(self._contents, f"{wish.uri}|{wish.elements}|{wish.subject_elements}|{wish.mask}"):
                continue
            if self._was_cleaned(wish, cleaned[wish.uri]):
                self._quote.cleaned += 1
                self._quote.cleaned_urls += 1
            else:
                self._quote.to_call += 1
                self._quote.urls += 1

    def _was_cleaned(self, wish: PhotoWish, before: list[CleanedUrl]) -> bool:
        # A mask's key is made for the photo's size, which only fetching it would tell.
        options = (wish.elements, wish.subject_elements, None)
        return wish.mask is None and any(
            row.content_key == content_key(self._provider, row.sha256, *options) for row in before
        )

    def _count_files(self, files: list[PhotoWish], seen: list[Seen | SourceError]) -> None:
        fresh: list[tuple[PhotoWish, Seen]] = []
        for wish, found in zip(files, seen, strict=True):
            if isinstance(found, SourceError):
                self._quote.refuse(found.code, wish.name, str(found))
            elif self._is_new(self._contents, found.key):
                fresh.append((wish, found))
        known: dict[str, Known] = {}
        if self._engine is not None and fresh and self._only_batch != 0:
            keys = [found.key for _, found in fresh]
            known = transact(self._engine, lambda connection: history.find_contents(connection, keys, self._only_batch))
        for wish, found in fresh:
            if found.key in known:
                self._count_known(wish, known[found.key])
                continue
            self._quote.to_call += 1
            self.sample.offer(wish)
            self._quote.fitted += found.is_fitted
            self._quote.losses.update(found.losses)
            self._quote.steps.update(found.steps)

    def _count_known(self, wish: PhotoWish, known: Known) -> None:
        if known.state == "succeeded":
            self._quote.cleaned += 1
            return
        code = known.code or known.state
        message = {
            "held": "Waits for a person; see `cleanplate accept` and `reject`.",
            "dead": "Failed before and is not called again; `cleanplate retry` retries it.",
            "cancelled": "Was cancelled before.",
        }
        self._quote.refuse(code, wish.name, message.get(known.state, ""))

    def _is_here(self, wish: PhotoWish) -> bool:
        return wish.uri.startswith("file:") or wish.uri in self._photos

    def _look(self, wish: PhotoWish) -> Seen | SourceError:
        try:
            return self._looker.look(wish, self._photos.get(wish.uri))
        except SourceError as error:
            return error

    def _is_new(self, kept: set[bytes], text: str) -> bool:
        # Half a digest tells a hundred million photos apart, and a million of them fit into memory.
        key = _digest(text)
        if key in kept:
            self._quote.duplicates += 1
            return False
        kept.add(key)
        return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:_KEPT_BYTES]


def _wishes(items: Iterable[Item], options: BatchOptions) -> Iterator[PhotoWish]:
    for item in items:
        elements, subject, mask = what_to_take_off(item, options)
        key = item_key(item, elements, subject)
        yield PhotoWish(item.uri, item.name, elements, subject, mask, key, item.fault)


def _unfinished(connection: Connection, source: str, options: BatchOptions) -> batches.BatchRow | None:
    found = batches.find_unfinished(connection, source_key(source, options))
    return None if found is None else batches.get(connection, found)


def _within_budget(options: BatchOptions, batch: batches.BatchRow | None, price: Decimal) -> int | None:
    calls, cost = options.max_calls, options.max_cost
    made, reserved = 0, Decimal(0)
    if batch is not None:
        calls = batch.max_calls if calls is None else calls
        cost = batch.max_cost if cost is None else cost
        made, reserved = batch.calls_made, batch.cost_reserved
    allowed = [] if calls is None else [calls - made]
    if cost is not None and price:
        allowed.append(int((cost - reserved) / price))
    return max(0, min(allowed)) if allowed else None
