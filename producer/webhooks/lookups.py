"""Asks shops' APIs for the photos of products whose webhooks carry none."""

import json
import logging
import threading
from functools import partial

from sqlalchemy import Connection, Engine

from core.net.client import CheckedClient, NoAnswer
from core.settings import Settings
from db import lookups
from db.lookups import Lookup
from db.session import transact
from producer.rounds import run_rounds
from producer.webhooks import bigcommerce
from producer.webhooks.delivery import ShopPhoto
from producer.webhooks.shop_intake import Ours, take_photos

log = logging.getLogger(__name__)

AT_ONCE = 3
"""Asked one after the other within what keeps them from another asker."""
ASK_SECONDS = 15.0
MOST_BYTES = 2_000_000


class Asker:
    """Asks about products that are due.

    Args:
        engine: Where they are written.
        settings: Which private addresses are allowed, and where our outputs are.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._ours = Ours.of(settings)
        self._client = CheckedClient(settings.fetch_allow_private)

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop` is set."""
        run_rounds(stop, self.ask_due, full=AT_ONCE)
        self._client.close()

    def ask_due(self) -> int:
        """Ask about what is due now; return how many products were tried."""
        due = transact(self._engine, partial(lookups.take_due, most=AT_ONCE))
        for lookup in due:
            try:
                photos = self._ask(lookup)
            except NoAnswer as error:
                log.warning("shop %s, product %s: %s", lookup.shop.shop, lookup.product, error)
                failed = partial(lookups.note_failed, lookup_id=lookup.id, tries=lookup.tries, why=str(error))
                transact(self._engine, failed)
                continue
            transact(self._engine, partial(self._take_in, lookup=lookup, photos=photos))
        return len(due)

    def _take_in(self, connection: Connection, lookup: Lookup, photos: tuple[ShopPhoto, ...]) -> None:
        lookups.note_answered(connection, lookup.id)
        take_photos(connection, lookup.shop, photos, ours=self._ours)

    def _ask(self, lookup: Lookup) -> tuple[ShopPhoto, ...]:
        url, headers = bigcommerce.photos_request(lookup.shop, lookup.product)
        reply = self._client.send("GET", url, headers, seconds=ASK_SECONDS, max_bytes=MOST_BYTES)
        if reply.status == 404:
            return ()  # deleted since
        if reply.status != 200:
            raise NoAnswer(f"HTTP {reply.status}")
        try:
            return bigcommerce.photos_of(json.loads(reply.body), lookup.product)
        except (ValueError, RecursionError) as error:
            raise NoAnswer("the answer is not JSON") from error
