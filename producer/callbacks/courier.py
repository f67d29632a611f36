"""Sends callbacks: signed by Standard Webhooks, to public addresses only, again and again for a day."""

import logging
import threading
from datetime import UTC, datetime
from functools import partial

import httpcore
import httpx
from sqlalchemy import Engine
from standardwebhooks.webhooks import Webhook

from core.errors import DatabaseDown, SourceError
from core.net.addresses import AllowList
from core.net.dialer import CheckedBackend
from core.net.wire import Deadline
from core.settings import Settings
from db import callbacks
from db.artifacts import public_url
from db.callbacks import Callback
from db.session import transact

log = logging.getLogger(__name__)

AT_ONCE = 20
IDLE_SECONDS = 1.0
SEND_SECONDS = 15.0
MOST_ANSWER_BYTES = 65_536


class Courier:
    """Sends what is due, one after the other.

    Args:
        engine: Where callbacks are written.
        settings: Where outputs can be fetched, and which private addresses are allowed.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            max_connections=4,
            max_keepalive_connections=0,
            ssl_context=httpx.create_ssl_context(),
            network_backend=CheckedBackend(AllowList(settings.fetch_allow_private), self._deadline),
        )

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; outages are waited out."""
        while not stop.is_set():
            try:
                if self.send_due() < AT_ONCE:
                    stop.wait(IDLE_SECONDS)
            except DatabaseDown as error:
                log.warning("%s", error)
                stop.wait(IDLE_SECONDS)
        self._pool.close()

    def send_due(self) -> int:
        """Send what is due now; return how many were tried."""
        due = transact(self._engine, partial(callbacks.take_due, most=AT_ONCE))
        for callback in due:
            why = self._send(callback)
            if why is None:
                transact(self._engine, partial(callbacks.note_delivered, callback_id=callback.id))
                continue
            log.warning("callback %s (%s) was not taken: %s", callback.id, callback.event, why)
            note = partial(callbacks.note_failed, callback_id=callback.id, tries=callback.tries, why=why)
            transact(self._engine, note)
        return len(due)

    def _send(self, callback: Callback) -> str | None:
        """Return None when it was taken, else why not."""
        body = callbacks.as_payload(callback, self._artifact_url(callback))
        message_id, now = f"msg_{callback.id}", datetime.now(UTC)
        self._deadline.start(SEND_SECONDS)
        try:
            headers: dict[bytes | str, bytes | str] = {
                "Content-Type": "application/json",
                "User-Agent": "cleanplate",
                "webhook-id": message_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(callback.secret).sign(message_id, now, body.decode()),
            }
            with self._pool.stream("POST", callback.url, headers=headers, content=body) as response:
                size = 0
                for chunk in response.iter_stream():
                    size += len(chunk)
                    if size > MOST_ANSWER_BYTES:
                        break
                return None if 200 <= response.status <= 299 else f"HTTP {response.status}"
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return f"{type(error).__name__}: {error}"
        except (SourceError, ValueError, httpcore.UnsupportedProtocol) as error:
            return str(error)

    def _artifact_url(self, callback: Callback) -> str | None:
        sha256, image_format = callback.data.get("artifact_sha256"), callback.data.get("artifact_format")
        if not (self._settings.artifact_public_url and sha256 and image_format):
            return None
        secret = self._settings.artifact_url_secret.get_secret_value()
        return public_url(self._settings.artifact_public_url, secret, sha256, image_format)
