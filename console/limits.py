"""Nobody who is not known makes us read, parse or wait: who it is comes before the body, and every body has a bound."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.pools import GATE
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
"""Of all large bodies that are being read or worked on."""

SPARE_BYTES = 20_000_000
"""Beside them, for those that are small or do not say how long they are."""

LARGE_BYTES = 1_000_000
"""Larger ones are worked on one after the other, where reading them takes many times their size; and room for all of
such a one is taken before it is read, so that two do not end each other halfway."""

PATIENCE_SECONDS = 30.0
"""How long a large body waits for room: less than proxies wait until somebody reads, and than a slow body may take."""

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
        self.kept = 0
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

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

    async def keep_room(self, size: int) -> None:
        """Take room for so many bytes, first come, first served.

        Raises:
            HTTPException: 503, there was none for long.
        """
        wanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, wanted))
        self.hand_out()
        try:
            await asyncio.wait({wanted}, timeout=PATIENCE_SECONDS)
        except asyncio.CancelledError:
            if not wanted.cancel():
                self.give_room(size)
            raise
        if wanted.cancel():
            self.hand_out()
            raise busy()

    def give_room(self, size: int) -> None:
        """Let others have so much."""
        self.kept -= size
        self.hand_out()

    def hand_out(self) -> None:
        """Give those who wait what room there is, in order."""
        while self._waiting:
            size, wanted = self._waiting[0]
            if not wanted.done():
                if self.kept + size + max(0, self.held - SPARE_BYTES) > MOST_HELD_BYTES:
                    return
                self.kept += size
                wanted.set_result(None)
            self._waiting.popleft()


def busy() -> HTTPException:
    """Return what somebody is told who may try again."""
    return HTTPException(
        503, "Other large files are being sent at this moment; try again in a minute.", {"Retry-After": "30"}
    )


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
        self._came = self._values = self._kept = 0
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
            if size > LARGE_BYTES and not self._kept and not self._is_safe:
                await self._keep_room(size)
        message = await self._receive()
        part = message.get("body", b"")
        self._came += len(part)
        # What has its room is counted already.
        self._limit.held += len(part) if not self._kept else 0
        if self._is_safe and self._came > self._most:
            # Nobody reads it; whoever listens for the end of the connection hears of it.
            return {"type": "http.disconnect"}
        self._check(self._came)
        if not self._kept and self._limit.held + self._limit.kept > MOST_HELD_BYTES + SPARE_BYTES:
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
        if self._kept:
            self._limit.give_room(self._kept)
        else:
            self._limit.held -= self._came
            self._limit.hand_out()
        if self._turn is not None:
            self._turn.release()
        if self._came > LARGE_BYTES:
            release_free_memory()

    async def _keep_room(self, size: int) -> None:
        try:
            await self._limit.keep_room(size)
        except HTTPException:
            # Who is cut off while sending is not told why: what comes is read, and not kept.
            while (await self._receive()).get("more_body"):
                pass
            raise
        self._kept = size

    def _check(self, size: int) -> None:
        if size > self._most and not self._is_safe:
            amount = f"{self._most // 1_000_000} MB" if self._most >= 1_000_000 else f"{self._most // 1000} kB"
            raise HTTPException(413, f"The body is over {amount}; send it in parts.")
