"""Celery's connection to the broker in a worker, made cheaper.

Celery's own thread takes the interpreter from the threads that have to send at their slots. Most of what it does for a
job is a Redis client made anew for every command, a message to Flower for every step, and three round trips to take a
message, note that it was taken, and acknowledge it. Here one client serves, and what comes up within moments goes
together: events in one message; what was acknowledged and what there is room for now in one script.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.events import EventDispatcher
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.commands.core import Script

log = logging.getLogger(__name__)

EVENTS_SECONDS = 0.5
"""How long what Flower is told is gathered; Celery sends many events in one message when there are many."""


GATHER_SECONDS = 0.04
"""How long jobs that have ended wait for others, and their threads for the next job."""

EXCHANGE = """
-- Forgets messages that are done with, and moves others from their queues to those that are taken.
-- KEYS  taken (hash: tag -> message), their index (sorted set: tag -> time), queues, the first to be served first
-- ARGV  now; how many to take; how many are done with, and their tags; then tag and message of each taken already
local now, room, done = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 4, 3 + done do
  redis.call('HDEL', KEYS[1], ARGV[i])
  redis.call('ZREM', KEYS[2], ARGV[i])
end
local function note(tag, message)
  redis.call('ZADD', KEYS[2], now, tag)
  redis.call('HSET', KEYS[1], tag, message)
end
for i = 4 + done, #ARGV, 2 do
  note(ARGV[i], ARGV[i + 1])
end
local found = {}
for i = 3, #KEYS do
  local items = room > #found / 2 and redis.call('RPOP', KEYS[i], room - #found / 2) or {}
  for _, item in ipairs(items) do
    local about = cjson.decode(item).properties
    local names = cjson.encode({ about.delivery_info.exchange, about.delivery_info.routing_key })
    note(about.delivery_tag, '[' .. item .. ',' .. names:sub(2))
    found[#found + 1] = i - 3
    found[#found + 1] = item
  end
end
return found
"""


class GatheringQoS(redis.QoS):
    """Notes what is taken and what is done with together with others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.done: list[str] = []

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a message as taken; kombu's own takes a round trip for each."""
        if delivery_tag != self.channel.noted:
            info = message.delivery_info
            kept = dumps([message._raw, info["exchange"], info["routing_key"]])
            self.channel.exchange(self.channel.room - 1 if self.channel.is_reading else 0, delivery_tag, kept)
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Note a message as done with; at once, unless others are about to be."""
        self.done.append(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)
        if not self.channel.is_gathering:
            self.channel.exchange(0)


class GatheringChannel(redis.Channel):
    """Takes messages, and is done with them, several at a time.

    Keeps one client for all commands: it is only a view of the pool, and safe to share.
    """

    QoS = GatheringQoS

    _shared: Any = None
    _script: Script | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_gathering = self.is_reading = False
        self.noted = ""
        self._found: list[tuple[str, Any]] = []

    @property
    def room(self) -> int:
        """How many messages may be taken now; none while a BRPOP waits for one, or when this is about to close."""
        if self.closed or self._closing or (self._in_poll and not self.is_reading):
            return 0
        return self.qos.can_consume_max_estimate() or 0

    def exchange(self, room: int, tag: str = "", kept: str = "") -> None:
        """Forget what is done with and take other messages, in one step; `deliver_found` hands them on.

        Args:
            room: How many to take at most.
            tag: Of one that was taken already.
            kept: What is kept of that while it is worked at.
        """
        done = self.qos.done[:]
        queues = self._queue_cycle.consume(len(self.active_queues)) if room > 0 else []
        places = [(queue, self._q_for_pri(queue, step)) for step in self.priority_steps for queue in queues]
        # Of a script's keys the client puts the prefix before the first only.
        others = [self.global_keyprefix + key for key in [self.unacked_index_key, *(key for _, key in places)]]
        noted = [tag, kept] if tag else []
        with self.conn_or_acquire() as client:
            script = self._script = self._script or Script(client, EXCHANGE)
            found = script(
                [self.unacked_key, *others], [time.time(), max(0, room), len(done), *done, *noted], client=client
            )
        del self.qos.done[: len(done)]
        self._found += [(places[place][0], item) for place, item in zip(found[::2], found[1::2], strict=True)]

    def deliver_found(self) -> None:
        """Hand on what was taken besides."""
        while self._found:
            queue, item = self._found.pop(0)
            message = loads(bytes_to_str(item))
            self.noted = message["properties"]["delivery_tag"]
            self.connection._deliver(message, queue)

    def _brpop_read(self, **options: Any) -> Any:
        # There is no hook for more than the one message that BRPOP brings.
        self.is_reading = True
        try:
            is_read = super()._brpop_read(**options)
        finally:
            self.is_reading = False
        self.deliver_found()
        return is_read

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        # A channel that lost its connection has another pool afterwards.
        if self._shared is None or self._shared.connection_pool is not self.pool:
            self._shared = super()._create_client()
        return self._shared


class Transport(redis.Transport):
    """Redis, with one client a channel and several messages at a time."""

    Channel = GatheringChannel

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let the loop do what the broker needs."""
        super().register_with_event_loop(connection, loop)
        # Once a second it would look after queues that expire, and none of ours do.
        if (timer := getattr(self.cycle, "_binding_expiry_tref", None)) is not None:
            timer.cancel()


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
    """Acknowledges together, and sends what happened to tasks together, a few times a second."""

    _flush_at = 0.0
    _gathers_until = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._ended: list[Callable[[], object]] = []
        self._ended_lock = threading.Lock()
        super().__init__(*args, **kwargs)

    def call_soon(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Acknowledge a message soon, with others that end until then: each would wake this thread by itself."""
        if not self.hub or state.should_stop is not None:
            return super().call_soon(p, *args, **kwargs)
        work = partial(p, *args, **kwargs)
        now = time.monotonic()
        with self._ended_lock:
            self._ended.append(work)
            # By the clock, as below.
            is_first = now >= self._gathers_until
            if is_first:
                self._gathers_until = now + 2 * GATHER_SECONDS
        if is_first:
            self.hub.call_soon(self._gather)
        return work

    def _gather(self) -> None:
        self.hub.call_later(GATHER_SECONDS, self._acknowledge)

    def _acknowledge(self, *, takes: bool = True) -> None:
        with self._ended_lock:
            ended, self._ended = self._ended, []
            self._gathers_until = 0.0
        if not ended:
            return
        channel = self.task_consumer.channel if self.task_consumer else None
        if not isinstance(channel, GatheringChannel):
            for work in ended:
                work()
            return
        channel.is_gathering = True
        try:
            for work in ended:
                work()
        finally:
            channel.is_gathering = False
        channel.exchange(channel.room if takes else 0)
        channel.deliver_found()

    def stop(self) -> None:
        """Acknowledge what has ended, or it would go back to its queue."""
        try:
            self._acknowledge(takes=False)
        except Exception as error:
            log.warning("what has ended could not be acknowledged; its messages come again: %s", error)
        super().stop()

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
