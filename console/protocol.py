"""Connections that are bounded: in number, in how long they may say nothing, and in how long they may not read.

Whoever connects gets in at once as long as anybody else's connection does nothing: of those that hold most, the one
that has done nothing for longest is closed for it. So silence keeps nobody out, and no process comes to its limit of
files.
"""

import asyncio
import logging
import resource
import time
from collections import Counter
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""From the first byte of a request, or from connecting, to the end of its head."""
BODY_SECONDS = 20.0
"""Without a byte of a body that is asked for; and for each `SLOWEST` bytes of it."""
SLOWEST = 80_000
"""Bytes that come in `BODY_SECONDS` at least: 4 kB a second."""
WRITE_SECONDS = 30.0
"""Without a byte of an answer being read."""
LOOK_SECONDS = 5.0
MOST_CONNECTIONS = 1000
KEPT_FILES = 160
"""Of the files that a process may open, for all but connections: PostgreSQL, Redis, photos, outputs, decoders."""
SAY_SECONDS = 1.0

log = logging.getLogger(__name__)


def most_connections() -> int:
    """Return how many connections this process may hold, by how many files it may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(MOST_CONNECTIONS, files - KEPT_FILES, files // 2))


class OnceASecond(logging.Filter):
    """Lets a line about what anybody can cause through once a second; the next says how many were left out."""

    def __init__(self, *beginnings: str) -> None:
        super().__init__()
        self._beginnings = beginnings
        self._said: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is written."""
        message = record.getMessage()
        of = next((each for each in self._beginnings if message.startswith(each)), None)
        if of is None:
            return True
        if time.monotonic() - self._said.get(of, float("-inf")) < SAY_SECONDS:
            self._left_out[of] += 1
            return False
        self._said[of] = time.monotonic()
        if count := self._left_out.pop(of, 0):
            record.msg, record.args = f"{message} ({count} more since it was last said)", ()
        return True


_ONCE = OnceASecond(
    "Invalid HTTP request", "Unsupported upgrade", "No supported WebSocket", "no room", "a connection", "no file"
)
logging.getLogger("uvicorn.error").addFilter(_ONCE)
log.addFilter(_ONCE)


class BoundedProtocol(H11Protocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.moved_at = time.monotonic()
        self._began_at = self.moved_at
        self._received = 0
        self._unread = 0
        self._look: asyncio.TimerHandle | None = None
        if self.loop.get_exception_handler() is None:
            self.loop.set_exception_handler(partial(_say, self.connections))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, in place of another where there are as many as may be."""
        super().connection_made(transport)
        # What is being closed counts no more, though the loop has not come round to it.
        others = {each for each in _of_ours(self.connections) if each is not self and not each.transport.is_closing()}
        if len(others) >= most_connections() and not _displace(others):
            log.warning("no room for one more connection: all %s do something", len(others))
            transport.abort()
            return
        self._look = self.loop.call_later(LOOK_SECONDS, self._look_at_it)

    @property
    def address(self) -> str:
        """Whose it is."""
        return self.client[0] if self.client else ""

    @property
    def is_idle(self) -> bool:
        """Whether no request is answered, nor on its way."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_closable(self) -> bool:
        """Whether it waits for the other side: for a request, for more of it, or to be read."""
        return self.is_idle or self.cycle.more_body or self.flow.write_paused

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        now = time.monotonic()
        if self.is_idle:
            # A request begins with its first byte, and each byte after it makes no new beginning.
            if self.conn.their_state is h11.IDLE and not self._received:
                self._began_at = now
            self._received += len(data)
        else:
            self._received += len(data)
            self.moved_at = now
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.moved_at = self._began_at = time.monotonic()
        self._received = 0
        super().on_response_complete()

    def _look_at_it(self) -> None:
        self._look = None
        if self.transport.is_closing():
            return
        if self._is_over(time.monotonic()):
            self.transport.abort()
            return
        self._look = self.loop.call_later(LOOK_SECONDS, self._look_at_it)

    def _is_over(self, now: float) -> bool:
        waits = self.transport.get_write_buffer_size()
        if waits:
            if waits != self._unread:
                self._unread, self.moved_at = waits, now
            return now - self.moved_at > WRITE_SECONDS
        self._unread = 0
        if self.is_idle:
            return self.timeout_keep_alive_task is None and now - self._began_at > HEADER_SECONDS
        if not self.cycle.more_body or self.flow.read_paused:
            # It waits for us.
            self.moved_at = now
            return False
        allowed = BODY_SECONDS * (1 + self._received / SLOWEST)
        return now - self.moved_at > BODY_SECONDS or now - self._began_at > allowed


def _of_ours(connections: set[Any]) -> set[BoundedProtocol]:
    return {each for each in connections if isinstance(each, BoundedProtocol)}


def _displace(others: set[BoundedProtocol]) -> bool:
    """Close what does nothing for longest, of those that hold most; return whether there was any."""
    held = Counter(each.address for each in others)
    rest = [each for each in others if each.is_closable and not each.transport.is_closing()]
    if not rest:
        return False
    last = max(rest, key=lambda each: (held[each.address], each.is_idle, -each.moved_at))
    log.warning("a connection of %s that did nothing was closed to make room for another", last.address)
    last.transport.abort()
    return True


def _say(connections: set[Any], loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Make room where no more files can be opened, and say so once a second; asyncio would for each that waits."""
    if "out of system resource" in str(context.get("message")):
        log.error("no file can be opened any more, nor a connection taken: %s", context.get("exception"))
        _displace(_of_ours(connections))
        return
    loop.default_exception_handler(context)
