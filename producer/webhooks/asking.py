"""Asks shops' APIs for the photos of products whose webhooks carry none."""

import json
import logging
import threading
from functools import partial

import httpcore
import httpx
from sqlalchemy import Connection, Engine

from core.errors import DatabaseDown, SourceError
from core.net.addresses import AllowList
from core.net.dialer import CheckedBackend
from core.net.wire import Deadline
from core.settings import Settings
from db import lookups
from db.lookups import Lookup
from db.session import transact
from producer.webhooks import bigcommerce
from producer.webhooks.delivery import Photo
from producer.webhooks.intake import take_photos

log = logging.getLogger(__name__)

AT_ONCE = 10
IDLE_SECONDS = 1.0
ASK_SECONDS = 15.0
MOST_BYTES = 2_000_000


class NotTold(Exception):
    """The shop's API told nothing this time."""


class Asker:
    """Asks about products that are due.

    Args:
        engine: Where they are written.
        settings: Which private addresses are allowed, and where our outputs are.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._public_url = settings.artifact_public_url
        self._deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            max_connections=4,
            max_keepalive_connections=0,
            ssl_context=httpx.create_ssl_context(),
            network_backend=CheckedBackend(AllowList(settings.fetch_allow_private), self._deadline),
        )

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop` is set; outages are waited out."""
        while not stop.is_set():
            try:
                if self.ask_due() < AT_ONCE:
                    stop.wait(IDLE_SECONDS)
            except DatabaseDown as error:
                log.warning("%s", error)
                stop.wait(IDLE_SECONDS)
        self._pool.close()

    def ask_due(self) -> int:
        """Ask about what is due now; return how many products were tried."""
        due = transact(self._engine, partial(lookups.take_due, most=AT_ONCE))
        for lookup in due:
            try:
                photos = self._ask(lookup)
            except NotTold as error:
                log.warning("shop %s, product %s: %s", lookup.shop.shop, lookup.product, error)
                failed = partial(lookups.note_failed, lookup_id=lookup.id, tries=lookup.tries, why=str(error))
                transact(self._engine, failed)
                continue
            transact(self._engine, partial(self._take_in, lookup=lookup, photos=photos))
        return len(due)

    def _take_in(self, connection: Connection, lookup: Lookup, photos: tuple[Photo, ...]) -> None:
        take_photos(connection, lookup.shop, photos, public_url=self._public_url)
        lookups.note_answered(connection, lookup.id)

    def _ask(self, lookup: Lookup) -> tuple[Photo, ...]:
        url, headers = bigcommerce.photos_request(lookup.shop, lookup.product)
        self._deadline.start(ASK_SECONDS)
        body = bytearray()
        try:
            with self._pool.stream("GET", url, headers=headers) as response:
                for chunk in response.iter_stream():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise NotTold(f"the answer is over {MOST_BYTES} bytes")
                status = response.status
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise NotTold(f"{type(error).__name__}: {error}") from error
        except (SourceError, httpcore.UnsupportedProtocol) as error:
            raise NotTold(str(error)) from error
        if status == 404:
            return ()  # deleted since
        if status != 200:
            raise NotTold(f"HTTP {status}")
        try:
            return bigcommerce.photos_of(json.loads(bytes(body)), lookup.product)
        except (ValueError, RecursionError) as error:
            raise NotTold("the answer is not JSON") from error
