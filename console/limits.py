"""Nobody who is not known makes us read, parse or wait: who it is comes before the body, and every body has a bound."""

import asyncio
from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.pools import GATE
from console.rooms import Holder, Room, busy
from core.machine import release_free_memory

MOST_BYTES = 20_000_000
"""Of a body of JSON; 10,000 photos with long URLs are half of it."""

MOST_UPLOAD_BYTES = 200_000_000
"""Of photos that come as files, together."""

MOST_STRANGERS_BYTES = 64_000
"""Of a body of somebody who is not signed in: a form with a name and a password."""

MOST_VALUES = 1_000_000
"""In a body of JSON: each takes a hundred bytes and more when it is read."""

MOST_HELD_BYTES = 200_000_000
"""Of all giant bodies that are being read or worked on."""

MOST_ORDINARY_BYTES = 100_000_000
"""Of all large bodies besides, which no giant blocks."""

GIANT_BYTES = 25_000_000
"""Larger ones are giants."""

SPARE_BYTES = 20_000_000
"""Beside them, for those that are small or do not say how long they are."""

LARGE_BYTES = 1_000_000
"""Larger ones are worked on one after the other, where reading them takes many times their size; and room for all of
such a one is taken before it is read, so that two do not end each other halfway."""

_UPLOADS = {"/v1/batches/files", "/batches/new"}
_FILES = {*_UPLOADS, "/v1/batches/catalogue"}
_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
_API, _OPEN = "/v1/", "/sign-in"

Knows = Callable[[Request], None]
"""Raises HTTPException when whoever sent a request may not send a body."""


class BodyLimit:
    """Refuses bodies of strangers before they are read, and those that are too long as soon as that is known.

    Args:
        app: What is served.
        knows: Who may send bodies; not asked about forms to sign in with.
    """

    def __init__(self, app: ASGIApp, knows: Knows) -> None:
        self._app = app
        self.knows = knows
        self.held = 0
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self.giants = Room(lambda: MOST_HELD_BYTES - max(0, self.held - SPARE_BYTES))
        self.ordinary = Room(lambda: MOST_ORDINARY_BYTES)
        self.rooms = (self.giants, self.ordinary)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self, scope, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            body.let_go()

    @property
    def turn(self) -> asyncio.Lock:
        """The turn to work on a large body."""
        return self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


class _Body:
    """One request's body, as the application asks for it."""

    def __init__(self, limit: BodyLimit, scope: Scope, receive: Receive) -> None:
        self._limit = limit
        self._scope = scope
        self._receive = receive
        path = scope["path"].rstrip("/")
        self._is_safe = scope.get("method", "POST") in _SAFE
        self._is_open = path == _OPEN or path.startswith(f"{_OPEN}/")
        self._is_json = path.startswith(_API) and path not in _FILES
        self._most = MOST_UPLOAD_BYTES if path in _FILES else MOST_BYTES
        if self._is_safe or self._is_open:
            self._most = MOST_STRANGERS_BYTES
        self._came = self._values = 0
        self._room: Room | None = None
        self._holder: Holder | None = None
        self._is_known = self._is_safe or self._is_open
        self._turn: asyncio.Lock | None = None

    async def receive(self) -> Message:
        """Return the next part of the body.

        Raises:
            HTTPException: 413, it is too long; 503, there is no room for more; or as nobody knows who sends it.
        """
        if not self._is_known:
            await GATE.run(partial(self._limit.knows, Request(self._scope)))
            self._is_known = True
        if self._came == 0:
            announced = dict(self._scope["headers"]).get(b"content-length", b"")
            size = int(announced) if announced.isdigit() and len(announced) < 20 else 0
            self._check(size)
            if size > LARGE_BYTES and self._room is None and not self._is_safe:
                await self._take_room(size)
        message = await (self._holder.ask(self._receive) if self._holder else self._receive())
        part = message.get("body", b"")
        self._came += len(part)
        # What has its room is counted already.
        if self._room is None:
            self._limit.held += len(part)
            self._watch()
        if self._is_safe and self._came > self._most:
            # Nobody reads it; whoever listens for the end of the connection hears of it.
            return {"type": "http.disconnect"}
        self._check(self._came)
        if self._room is None and self._limit.held + self._limit.giants.kept > MOST_HELD_BYTES + SPARE_BYTES:
            raise busy()
        if self._is_json:
            self._values += sum(part.count(mark) for mark in (b",", b"[", b"{"))
            if self._values > MOST_VALUES:
                raise HTTPException(413, f"The body has over {MOST_VALUES:,} values; send it in parts.")
            if self._came > LARGE_BYTES and not message.get("more_body") and self._turn is None:
                await self._limit.turn.acquire()
                self._turn = self._limit.turn
        return message

    def let_go(self) -> None:
        """Let others have the room that it took."""
        if self._room is not None and self._holder is not None:
            self._room.give(self._holder)
        else:
            self._limit.held -= self._came
            self._limit.giants.forget(self._holder)
        if self._turn is not None:
            self._turn.release()
        if self._came > LARGE_BYTES:
            release_free_memory()

    async def _take_room(self, size: int) -> None:
        room, holder = self._limit.giants if size > GIANT_BYTES else self._limit.ordinary, Holder(size)
        try:
            await room.take(holder)
        except HTTPException:
            # Who is cut off while sending is not told why: what comes is read, and not kept.
            while (await self._receive()).get("more_body"):
                pass
            raise
        self._room, self._holder = room, holder

    def _watch(self) -> None:
        """Have it keep the pace where it did not say how long it is, and takes what giants wait for."""
        if self._came > LARGE_BYTES and not self._is_safe:
            if self._holder is None:
                self._holder = Holder(0)
                self._limit.giants.watch(self._holder)
            self._holder.size = self._came

    def _check(self, size: int) -> None:
        if size > self._most and not self._is_safe:
            amount = f"{self._most // 1_000_000} MB" if self._most >= 1_000_000 else f"{self._most // 1000} kB"
            raise HTTPException(413, f"The body is over {amount}; send it in parts.")
