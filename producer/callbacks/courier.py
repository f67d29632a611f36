"""Sends callbacks: signed by Standard Webhooks, to public addresses only, again and again for a day."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection, Engine
from standardwebhooks.webhooks import Webhook

from core.net.client import CheckedClient, NoAnswer
from core.settings import Settings
from db import callbacks
from db.artifacts import public_url
from db.callbacks import Callback
from db.session import transact
from producer.rounds import Bell, run_rounds

log = logging.getLogger(__name__)

AT_ONCE = 8
SEND_SECONDS = 15.0
MOST_ANSWER_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class _Silence:
    """Of a shop that did not take the last so many callbacks, and until when it is left alone (monotonic seconds)."""

    failures: int
    until: float


_NEVER = _Silence(0, 0.0)


class Courier:
    """Sends what is due, several at once, so that a shop that answers slowly does not hold up the others.

    Of a batch whose shop did not take one, one at a time is tried, after pauses that grow.

    Args:
        engine: Where callbacks are written.
        settings: Where outputs can be fetched, and which private addresses are allowed.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._clients = threading.local()
        self._pool = ThreadPoolExecutor(AT_ONCE, "callback", self._open_client)
        self._silent: dict[int, _Silence] = {}

    def run(self, stop: threading.Event, bell: Bell) -> None:
        """Send until `stop` is set, whenever the bell says that something is due."""
        run_rounds(stop, self.send_due, full=AT_ONCE, wait=partial(bell.wait, "callbacks"))
        self._pool.shutdown()

    def send_due(self) -> int:
        """Send what is due now; return how many were tried."""
        due = transact(self._engine, self._take_due)
        for callback, is_taken in zip(due, self._pool.map(self._handle, due), strict=True):
            if is_taken:
                self._silent.pop(callback.batch_id, None)
            else:
                failures = self._silent.get(callback.batch_id, _NEVER).failures
                until = time.monotonic() + callbacks.delay_seconds(failures)
                self._silent[callback.batch_id] = _Silence(failures + 1, until)
        return len(due)

    def _take_due(self, connection: Connection) -> list[Callback]:
        found = callbacks.take_due(connection, AT_ONCE, not_batches=self._silent)
        for batch_id, silence in self._silent.items():
            if len(found) < AT_ONCE and time.monotonic() >= silence.until:
                found += callbacks.take_due(connection, 1, only_batch=batch_id)
        return found

    def _handle(self, callback: Callback) -> bool:
        answer = ""
        try:
            answer, why = self._send(callback)
        except Exception as error:  # whatever its URL or its shop can bring is told, and tried again
            log.exception("callback %s met an error nobody foresaw", callback.id)
            why = f"{type(error).__name__}: {error}"
        if why is None:
            transact(self._engine, partial(callbacks.note_delivered, callback_id=callback.id, answer=answer))
            return True
        log.warning("callback %s (%s) was not taken: %s", callback.id, callback.event, why)
        note = partial(callbacks.note_failed, callback_id=callback.id, tries=callback.tries, why=why)
        transact(self._engine, note)
        return False

    def _open_client(self) -> None:
        self._clients.mine = CheckedClient(self._settings.fetch_allow_private)

    def _send(self, callback: Callback) -> tuple[str, str | None]:
        """Return the answer, and None when it was taken, else why not."""
        body = callbacks.as_payload(callback, self._artifact_url(callback))
        message_id, now = f"msg_{callback.id}", datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(callback.secret).sign(message_id, now, body.decode()),
        }
        client: CheckedClient = self._clients.mine
        try:
            reply = client.send(
                "POST",
                callback.url,
                headers,
                body=body,
                seconds=SEND_SECONDS,
                max_bytes=MOST_ANSWER_BYTES,
                is_cut=True,
            )
        except NoAnswer as error:
            return "", str(error)
        answer = f"HTTP {reply.status}"
        return answer, None if 200 <= reply.status <= 299 else answer

    def _artifact_url(self, callback: Callback) -> str | None:
        sha256, image_format = callback.data.get("artifact_sha256"), callback.data.get("artifact_format")
        if not (self._settings.artifacts_url and sha256 and image_format):
            return None
        secret = self._settings.artifact_url_secret.get_secret_value()
        return public_url(self._settings.artifacts_url, secret, sha256, image_format)
