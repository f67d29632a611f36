"""Room for large bodies, taken before they are read: first come, first served, and kept from who stops sending."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

PATIENCE_SECONDS = 30.0
"""How long a large body waits for room: less than proxies wait until somebody reads, and than a slow body may take."""

PACE = 250_000
"""Bytes a second that come at least of what has room while another waits for it."""

PACE_SECONDS = 10.0
"""Over which the pace is measured, again and again: what came quickly at first buys no pause later."""

LOOK_SECONDS = 1.0


class Holder:
    """A body that has room, or is in the way of one that waits for it.

    Args:
        size: How many bytes it holds.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.is_ended = False
        self._came = 0
        self._seconds = 0.0
        self._asked_at = 0.0
        self._deadline: asyncio.Timeout | None = None

    async def ask(self, receive: Receive) -> Message:
        """Return the next part.

        Raises:
            HTTPException: 503, it was ended since others waited.
        """
        self._asked_at = monotonic()
        try:
            async with asyncio.timeout(None) as self._deadline:
                message = await receive()
        except TimeoutError:
            raise too_slow() from None
        finally:
            self._deadline = None
            self._seconds += monotonic() - self._asked_at
        self._came += len(message.get("body", b""))
        return message

    def pace(self) -> float | None:
        """Return how many bytes a second come, when those are too few; None when they are not, or it is we who work."""
        now = monotonic()
        if self._deadline is None or self.is_ended or (seconds := self._seconds + now - self._asked_at) < PACE_SECONDS:
            return None
        pace = self._came / seconds
        if pace < PACE:
            return pace
        self._came, self._seconds, self._asked_at = 0, 0.0, now
        return None

    def end(self) -> None:
        """Wait no longer for what comes."""
        if self._deadline is not None:
            self.is_ended = True
            self._deadline.reschedule(0)


class Room:
    """Room for so many bytes.

    Args:
        most: Returns how many, at this moment.
    """

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self.kept = 0
        self._holders: set[Holder] = set()
        self._waiting: deque[tuple[Holder, asyncio.Future[None]]] = deque()

    @property
    def waits(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def take(self, holder: Holder) -> None:
        """Take room for a body, after those that came before it.

        Raises:
            HTTPException: 503, there was none for long.
        """
        loop = asyncio.get_running_loop()
        wanted: asyncio.Future[None] = loop.create_future()
        self._waiting.append((holder, wanted))
        self.hand_out()
        ends_at = loop.time() + PATIENCE_SECONDS
        try:
            while not wanted.done() and (rest := ends_at - loop.time()) > 0:
                await asyncio.wait({wanted}, timeout=min(LOOK_SECONDS, rest))
                if self._waiting and self._waiting[0][1] is wanted:
                    self._end_slow(holder.size)
        except asyncio.CancelledError:
            if wanted.cancel():
                self.hand_out()
            else:
                self.give(holder)
            raise
        if wanted.cancel():
            self.hand_out()
            raise busy()

    def give(self, holder: Holder) -> None:
        """Let others have what a body took."""
        self.kept -= holder.size
        self._holders.discard(holder)
        self.hand_out()

    def watch(self, holder: Holder) -> None:
        """Look at the pace of a body, too, that took no room here and is in the way all the same."""
        self._holders.add(holder)

    def forget(self, holder: Holder | None) -> None:
        """Look at it no more, if it was looked at; there may be room now."""
        if holder is not None:
            self._holders.discard(holder)
        self.hand_out()

    def hand_out(self) -> None:
        """Give those who wait what room there is, in order."""
        while self._waiting:
            holder, wanted = self._waiting[0]
            if not wanted.done():
                if self.kept + holder.size > self._most():
                    return
                self.kept += holder.size
                self._holders.add(holder)
                wanted.set_result(None)
            self._waiting.popleft()

    def _end_slow(self, size: int) -> None:
        """End as many as it takes for a body of this size, the slowest first."""
        lacks = self.kept + size - self._most() - sum(each.size for each in self._holders if each.is_ended)
        paces = [(pace, each) for each in self._holders if (pace := each.pace()) is not None]
        for _, each in sorted(paces, key=lambda pair: pair[0]):
            if lacks <= 0:
                return
            each.end()
            lacks -= each.size


def busy() -> HTTPException:
    """Return what somebody is told who may try again."""
    return HTTPException(
        503, "Other large files are being sent at this moment; try again in a minute.", {"Retry-After": "30"}
    )


def too_slow() -> HTTPException:
    """Return what somebody is told whose body was ended for another's."""
    # Not 408, upon which browsers send all of it again by themselves.
    message = (
        f"This upload came at less than {PACE // 1000} kB a second while others waited to send theirs, and was ended. "
        "Nothing of it was kept; try again in a minute, with fewer files at once."
    )
    return HTTPException(503, message, {"Retry-After": "30"})
