"""Large bodies wait for room before they are read, and whoever waited in vain is told so."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from console import limits
from console.limits import BodyLimit

MB = 1_000_000
SMALL = 1000


@dataclass
class Sender:
    """Somebody who sends a body.

    Args:
        limit: To whom.
        size: Of how many bytes.
    """

    limit: BodyLimit
    size: int
    asked: int = 0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        """Send the first half, and the second once it may."""
        self.asked += 1
        if self.asked > 1:
            await self.may_end.wait()
        return {"type": "http.request", "body": b" " * (self.size // 2), "more_body": self.asked < 2}

    async def send(self, path: str = "/batches/new") -> str:
        """Return how it ended."""
        scope = {"type": "http", "path": path, "method": "POST", "headers": [(b"content-length", b"%d" % self.size)]}
        try:
            await self.limit(scope, self.receive, ignore)
        except HTTPException as error:
            return f"{error.status_code} {(error.headers or {}).get('Retry-After')}"
        return "read"


async def read_all(_: object, receive: Receive, __: object) -> None:
    while (await receive()).get("more_body"):
        pass


async def ignore(_: Message) -> None: ...


async def until(holds: Callable[[], Any]) -> None:
    while not holds():
        await asyncio.sleep(0)


def play(scenario: Callable[[BodyLimit], Awaitable[None]]) -> None:
    async def run() -> None:
        limit = BodyLimit(read_all, lambda _: None)
        await scenario(limit)
        assert (limit.held, limit.kept, len(limit._waiting)) == (0, 0, 0)

    asyncio.run(run())


def test_of_two_large_uploads_the_second_waits_for_the_first_and_small_ones_go_by() -> None:
    async def scenario(limit: BodyLimit) -> None:
        first, second, small = (Sender(limit, size) for size in (110 * MB, 110 * MB, SMALL))
        sending = [asyncio.ensure_future(first.send())]
        await until(lambda: first.asked == 2)
        sending.append(asyncio.ensure_future(second.send()))
        await until(lambda: limit._waiting)
        small.may_end.set()
        assert await small.send("/v1/batches") == "read"
        assert second.asked == 0
        first.may_end.set()
        await until(lambda: second.asked == 2)
        second.may_end.set()
        assert await asyncio.gather(*sending) == ["read", "read"]

    play(scenario)


def test_who_waited_in_vain_is_read_to_the_end_and_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE_SECONDS", 0.01)

    async def scenario(limit: BodyLimit) -> None:
        first, second, third = (Sender(limit, 150 * MB) for _ in range(3))
        second.may_end.set()
        sending = asyncio.ensure_future(first.send())
        await until(lambda: first.asked == 2)
        assert await second.send() == "503 30"
        assert second.asked == 2
        first.may_end.set()
        third.may_end.set()
        assert [await sending, await third.send()] == ["read", "read"]

    play(scenario)


def test_who_goes_away_while_waiting_leaves_the_room_to_others() -> None:
    async def scenario(limit: BodyLimit) -> None:
        first, second, third = (Sender(limit, 110 * MB) for _ in range(3))
        sending = [asyncio.ensure_future(first.send())]
        await until(lambda: first.asked == 2)
        gone = asyncio.ensure_future(second.send())
        await until(lambda: limit._waiting)
        sending.append(asyncio.ensure_future(third.send()))
        await until(lambda: len(limit._waiting) == 2)
        gone.cancel()
        first.may_end.set()
        third.may_end.set()
        assert await asyncio.gather(*sending) == ["read", "read"]
        assert second.asked == 0

    play(scenario)
