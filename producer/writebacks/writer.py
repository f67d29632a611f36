"""Puts clean photos into shops: several shops at once, each asked by one at a time and no faster than it wants."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import Connection, Engine

from core.errors import CleanplateError, UnavailableError
from core.net.client import CheckedClient
from core.sealed import unseal
from core.settings import Settings
from db import writeback_lists, writebacks
from db.session import transact
from db.writebacks import Withdrawn, Writeback
from photos.fetch import Fetcher
from producer.rounds import Bell, run_rounds
from producer.webhooks.shop_intake import Ours, take_photos
from producer.writebacks import turn
from producer.writebacks.pace import Pace, ShopThrottled
from producer.writebacks.shop_api import ShopApi, ShopCaller, ShopFailed, ShopRefused, TokenRefused
from producer.writebacks.shop_apis import headers_of, new_pace, open_shop
from producer.writebacks.turn import Ground, ShopChanged, take_turn

log = logging.getLogger(__name__)

AT_ONCE = 4
WITHDRAWN = "withdrawn"
MOST_PHOTO_BYTES = 100_000_000


class Writer:
    """Writes what is due.

    Args:
        engine: Where that is written down.
        settings: How shops reach outputs, what opens their tokens, and which private addresses are allowed.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._settings = settings
        fetcher = Fetcher(settings.fetch_timeout, MOST_PHOTO_BYTES, settings.fetch_allow_private)
        self._ground = Ground(engine, settings, fetcher)
        self._engine = engine
        self._clients = threading.local()
        self._stop = threading.Event()
        self._paces: dict[int, Pace] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, "writeback", self._open_client)

    def run(self, stop: threading.Event, bell: Bell) -> None:
        """Write until `stop` is set, whenever the bell says that something is due."""
        self._stop = stop
        run_rounds(stop, self.write_due, full=1, wait=partial(bell.wait, "writebacks"))
        self._pool.shutdown()
        self._ground.fetcher.close()

    def write_due(self) -> int:
        """Take one turn in each shop where something is due; return in how many."""
        due = transact(self._engine, partial(writebacks.take_due, most=AT_ONCE))
        list(self._pool.map(self._handle, due))
        return len(due)

    def _open_client(self) -> None:
        self._clients.mine = CheckedClient(self._settings.fetch_allow_private)

    def _handle(self, writeback: Writeback) -> None:
        shop = writeback.shop
        pace = self._paces.setdefault(shop.id, new_pace(shop.platform, self._stop))
        points = pace.points
        caller = ShopCaller(self._clients.mine, str(shop.options.get("api_url") or ""), {}, pace)
        try:
            self._take_turn(writeback, caller)
        finally:
            wait = pace.wait_seconds
            leave = partial(
                writebacks.leave_shop,
                connection_id=shop.id,
                wait_seconds=wait,
                calls=caller.calls,
                points=pace.points - points,
            )
            transact(self._engine, leave)

    def _take_turn(self, writeback: Writeback, caller: ShopCaller) -> None:
        shop = writeback.shop
        api = open_shop(shop.platform, caller)
        try:
            key = self._settings.shop_token_key.get_secret_value()
            caller.headers = headers_of(shop.platform, unseal(key, shop.sealed_token or ""))
        except CleanplateError as error:
            self._pause(writeback, str(error))
            return
        try:
            if not writeback.is_clean and not writeback.is_restore and writeback.sent_at is None:
                self._end(api, writeback, "expected", "The photo is not clean any more.")
                return
            take_turn(self._ground, api, writeback)
        except ShopThrottled as error:
            log.info("shop %s wants a pause of %.1f s", shop.shop, error.seconds)
            caller.pace.hold(error.seconds)
        except TokenRefused as error:
            self._pause(writeback, f"The shop refuses the token: {error}")
        except Withdrawn:
            self._end(api, writeback, WITHDRAWN, "it is not to be written any more")
        except ShopChanged as error:
            self._end(api, writeback, "skipped", str(error))
        except ShopRefused as error:
            self._end(api, writeback, "failed", str(error))
        except UnavailableError:
            raise
        except Exception as error:  # whatever a shop can bring is told, and tried again
            if not isinstance(error, ShopFailed):
                log.exception("write-back %s met an error nobody foresaw", writeback.id)
            why = str(error) if isinstance(error, CleanplateError) else f"{type(error).__name__}: {error}"
            log.warning("write-back %s: %s", writeback.id, why)
            if transact(self._engine, partial(writebacks.note_failed, writeback=writeback, why=why)):
                self._end(api, writeback, "failed", why)

    def _pause(self, writeback: Writeback, why: str) -> None:
        log.error("nothing is written into shop %s any more: %s", writeback.shop.shop, why)
        transact(self._engine, partial(writeback_lists.pause, connection_id=writeback.shop.id, why=why))

    def _end(self, api: ShopApi, writeback: Writeback, state: str, why: str) -> None:
        """End it; what the shop told of its product meanwhile is looked at now."""
        log.warning("write-back %s is %s: %s", writeback.id, state, why)
        heard = transact(self._engine, partial(writebacks.count_heard, writeback=writeback))
        gallery = []
        if heard:
            try:
                gallery = api.read(writeback.product)
            except CleanplateError as error:
                transact(self._engine, partial(writebacks.put_off, writeback_id=writeback.id, seconds=60))
                log.warning("shop %s, product %s: %s", writeback.shop.shop, writeback.product, error)
                return

        def work(connection: Connection) -> None:
            writebacks.count_heard(connection, writeback)
            photos = [turn.as_told(writeback, each) for each in gallery]
            take_photos(connection, writeback.shop, photos, ours=Ours.of(self._settings))
            if state == WITHDRAWN:
                writebacks.withdraw(connection, writeback)
            else:
                writebacks.end(connection, writeback, state=state, why=why)

        transact(self._engine, work)
