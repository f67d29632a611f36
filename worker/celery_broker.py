"""Celery's connection to the broker in a worker, made cheaper.

Celery's own thread takes the interpreter from the threads that have to send at their slots. Two things make nearly
half of what it does for a job: a Redis client made anew for every command, and a message to Flower for every step.
"""

import logging
import time
from typing import Any

from celery.events import EventDispatcher
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.transport import redis

log = logging.getLogger(__name__)

EVENTS_SECONDS = 0.5
"""How long what Flower is told is gathered; Celery sends many events in one message when there are many."""


class OneClientChannel(redis.Channel):
    """Keeps one client for all commands: it is only a view of the pool, and safe to share."""

    _shared: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        # A channel that lost its connection has another pool afterwards.
        if self._shared is None or self._shared.connection_pool is not self.pool:
            self._shared = super()._create_client()
        return self._shared


class Transport(redis.Transport):
    """Redis, with one client a channel."""

    Channel = OneClientChannel


class LosslessEventDispatcher(EventDispatcher):
    """Loses no event of a thread that adds one while others are being sent; Celery's own empties what it has then."""

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Send what is gathered."""
        super().flush(errors, groups=False)
        if not groups:
            return
        with self.mutex:
            for group, events in list(self._group_buffer.items()):
                sent = events[:]
                if sent:
                    self._publish(sent, self.producer, f"{group}.multi")
                    del events[: len(sent)]


class GatheringConsumer(Consumer):
    """Sends what happened to tasks together, a few times a second."""

    _flush_at = 0.0

    def on_send_event_buffered(self) -> None:
        """Send events soon, with those that come until then; at once when the worker leaves."""
        if state.should_stop is not None or not self.hub:
            super().on_send_event_buffered()
            return
        # By the clock, not by whether a timer is set: those of a lost connection are gone.
        now = time.monotonic()
        if now >= self._flush_at:
            self._flush_at = now + EVENTS_SECONDS
            self.hub.call_later(EVENTS_SECONDS, self._flush_events)

    def shutdown(self) -> None:
        """Tell what has not been told yet, as nobody works any more, and leave."""
        try:
            self._flush_events()
        except Exception as error:
            log.warning("Flower misses how the last tasks ended: %s", error)
        super().shutdown()
