"""Asks shops' APIs for the photos of products whose webhooks carry none."""

import json
import logging
import threading
from functools import partial

from sqlalchemy import Connection, Engine

from core.errors import UsageError
from core.net.client import CheckedClient, NoAnswer
from core.sealed import seal, unseal
from core.settings import Settings
from db import connections, lookups
from db.connections import ShopConnection
from db.lookups import Lookup
from db.session import transact
from producer.rounds import Bell, run_rounds
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
        settings: Which private addresses are allowed, what opens shops' tokens, and where our outputs are.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._keys = settings.shop_token_key.get_secret_value()
        self._ours = Ours.of(settings)
        self._client = CheckedClient(settings.fetch_allow_private)

    def run(self, stop: threading.Event, bell: Bell) -> None:
        """Ask until `stop` is set, whenever the bell says that something is due."""
        run_rounds(stop, self.ask_due, full=AT_ONCE, wait=partial(bell.wait, "lookups"))
        self._client.close()

    def ask_due(self) -> int:
        """Ask about what is due now; return how many products were tried."""
        due = transact(self._engine, partial(lookups.take_due, most=AT_ONCE))
        for lookup in due:
            try:
                photos = self._ask(lookup)
            except (NoAnswer, UsageError) as error:
                log.warning("shop %s, product %s: %s", lookup.shop.shop, lookup.product, error)
                failed = partial(lookups.note_failed, lookup_id=lookup.id, tries=lookup.tries, why=str(error))
                transact(self._engine, failed)
                continue
            transact(self._engine, partial(self._take_in, lookup=lookup, photos=photos))
        return len(due)

    def _take_in(self, connection: Connection, lookup: Lookup, photos: tuple[ShopPhoto, ...]) -> None:
        lookups.note_answered(connection, lookup.id)
        take_photos(connection, lookup.shop, photos, ours=self._ours)

    def _token(self, shop: ShopConnection) -> str:
        """Return what a shop's API is asked with; one that lies open is sealed as soon as there is a key.

        Raises:
            UsageError: The key is not the one it was sealed with.
        """
        sealed = shop.options.get(bigcommerce.SEALED_TOKEN)
        if sealed:
            return unseal(self._keys, str(sealed))
        token = str(shop.options.get(bigcommerce.OPEN_TOKEN) or "")
        if token and self._keys:
            keep = partial(
                connections.keep_sealed,
                connection_id=shop.id,
                name=bigcommerce.SEALED_TOKEN,
                sealed=seal(self._keys, token),
                instead_of=bigcommerce.OPEN_TOKEN,
            )
            transact(self._engine, keep)
        return token

    def _ask(self, lookup: Lookup) -> tuple[ShopPhoto, ...]:
        url, headers = bigcommerce.photos_request(lookup.shop, lookup.product, self._token(lookup.shop))
        reply = self._client.send("GET", url, headers, seconds=ASK_SECONDS, max_bytes=MOST_BYTES)
        if reply.status == 404:
            return ()  # deleted since
        if reply.status != 200:
            raise NoAnswer(f"HTTP {reply.status}")
        try:
            return bigcommerce.photos_of(json.loads(reply.body), lookup.product)
        except (ValueError, RecursionError) as error:
            raise NoAnswer("the answer is not JSON") from error
