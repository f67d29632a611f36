"""Sends callbacks: signed by Standard Webhooks, to public addresses only, again and again for a day."""

import logging
import threading
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Engine
from standardwebhooks.webhooks import Webhook

from core.net.client import CheckedClient, NoAnswer
from core.settings import Settings
from db import callbacks
from db.artifacts import public_url
from db.callbacks import Callback
from db.session import transact
from producer.rounds import run_rounds

log = logging.getLogger(__name__)

AT_ONCE = 20
SEND_SECONDS = 15.0
MOST_ANSWER_BYTES = 1_000_000


class Courier:
    """Sends what is due, one after the other.

    Args:
        engine: Where callbacks are written.
        settings: Where outputs can be fetched, and which private addresses are allowed.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._client = CheckedClient(settings.fetch_allow_private)

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        run_rounds(stop, self.send_due, full=AT_ONCE)
        self._client.close()

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
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(callback.secret).sign(message_id, now, body.decode()),
        }
        try:
            reply = self._client.send(
                "POST", callback.url, headers, body=body, seconds=SEND_SECONDS, max_bytes=MOST_ANSWER_BYTES
            )
        except NoAnswer as error:
            return str(error)
        return None if 200 <= reply.status <= 299 else f"HTTP {reply.status}"

    def _artifact_url(self, callback: Callback) -> str | None:
        sha256, image_format = callback.data.get("artifact_sha256"), callback.data.get("artifact_format")
        if not (self._settings.artifacts_url and sha256 and image_format):
            return None
        secret = self._settings.artifact_url_secret.get_secret_value()
        return public_url(self._settings.artifacts_url, secret, sha256, image_format)
