"""Large bodies wait for room before they are read, and whoever waited in vain is told so."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from console import rooms
from console.limits import BodyLimit

MB = 1_000_000
SMALL = 1000


@dataclass
class Sender:
    """Somebody who sends a body.

    Args:
        limit: To whom.
        size: Of how many bytes.
        is_announced: Whether its head says so.
    """

    limit: BodyLimit
    size: int
    is_announced: bool = True
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
        told = [(b"content-length", b"%d" % self.size)] if self.is_announced else []
        scope = {"type": "http", "path": path, "method": "POST", "headers": told}
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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that senders are measured by, which stands still until it is set."""
    now = [0.0]
    monkeypatch.setattr(rooms, "monotonic", lambda: now[0])
    monkeypatch.setattr(rooms, "LOOK_SECONDS", 0.001)
    return now


def play(scenario: Callable[[BodyLimit], Awaitable[None]]) -> None:
    async def run() -> None:
        limit = BodyLimit(read_all, lambda _: None)
        await scenario(limit)
        assert (limit.held, [(each.kept, each.waits) for each in limit.rooms]) == (0, [(0, 0), (0, 0)])

    asyncio.run(run())


def test_of_two_large_uploads_the_second_waits_for_the_first_and_small_ones_go_by() -> None:
    async def scenario(limit: BodyLimit) -> None:
        first, second, small = (Sender(limit, size) for size in (110 * MB, 110 * MB, SMALL))
        sending = [asyncio.ensure_future(first.send())]
        await until(lambda: first.asked == 2)
        sending.append(asyncio.ensure_future(second.send()))
        await until(lambda: limit.giants.waits)
        small.may_end.set()
        assert await small.send("/v1/batches") == "read"
        assert second.asked == 0
        first.may_end.set()
        await until(lambda: second.asked == 2)
        second.may_end.set()
        assert await asyncio.gather(*sending) == ["read", "read"]

    play(scenario)


def test_who_waited_in_vain_is_read_to_the_end_and_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "PATIENCE_SECONDS", 0.01)

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
        await until(lambda: limit.giants.waits)
        sending.append(asyncio.ensure_future(third.send()))
        await until(lambda: limit.giants.waits == 2)
        gone.cancel()
        first.may_end.set()
        third.may_end.set()
        assert await asyncio.gather(*sending) == ["read", "read"]
        assert second.asked == 0

    play(scenario)


def test_who_waits_first_and_goes_away_holds_up_nobody_behind() -> None:
    async def scenario(limit: BodyLimit) -> None:
        first, second, third = (Sender(limit, size * MB) for size in (110, 110, 50))
        third.may_end.set()
        sending = [asyncio.ensure_future(first.send())]
        await until(lambda: first.asked == 2)
        gone = asyncio.ensure_future(second.send())
        await until(lambda: limit.giants.waits)
        sending.append(asyncio.ensure_future(third.send()))
        await until(lambda: limit.giants.waits == 2)
        gone.cancel()
        assert await sending[1] == "read"
        first.may_end.set()
        assert await sending[0] == "read"

    play(scenario)


def test_ordinary_uploads_go_by_one_that_takes_all_room_of_the_giants_and_one_that_waits_for_it() -> None:
    async def scenario(limit: BodyLimit) -> None:
        giants = [Sender(limit, 200 * MB) for _ in range(2)]
        sending = [asyncio.ensure_future(each.send()) for each in giants]
        await until(lambda: limit.giants.waits)
        ordinary = [Sender(limit, 25 * MB) for _ in range(4)]
        sending += [asyncio.ensure_future(each.send()) for each in ordinary]
        await until(lambda: all(each.asked == 2 for each in ordinary))
        for each in (*giants, *ordinary):
            each.may_end.set()
        assert await asyncio.gather(*sending) == ["read"] * 6

    play(scenario)


@pytest.mark.parametrize(
    ("path", "size", "count", "is_announced"),
    [("/batches/new", 200 * MB, 1, True), ("/batches/new", 200 * MB, 1, False), ("/v1/batches", 20 * MB, 5, True)],
    ids=["a giant", "a giant that is not announced", "ordinary ones"],
)
def test_who_stops_sending_is_ended_once_another_waits(
    clock: list[float], path: str, size: int, count: int, *, is_announced: bool
) -> None:
    async def scenario(limit: BodyLimit) -> None:
        holders = [Sender(limit, size, is_announced) for _ in range(count)]
        holding = [asyncio.ensure_future(each.send(path)) for each in holders]
        await until(lambda: all(each.asked == 2 for each in holders))
        # However much came at once before: it buys no hours of silence.
        clock[0] = 10.0
        other = Sender(limit, size)
        other.may_end.set()
        sending = asyncio.ensure_future(other.send(path))
        await until(lambda: any(each.waits for each in limit.rooms))
        while not sending.done():
            await asyncio.sleep(0)
            clock[0] += 1.0
        assert await sending == "read"
        # Only as many as it takes.
        ended = [each for each in holding if each.done()]
        assert [await each for each in ended] == ["503 30"]
        for each in holders:
            each.may_end.set()
        await asyncio.gather(*holding)

    play(scenario)


def test_who_keeps_the_pace_and_who_is_in_nobodys_way_are_not_ended(clock: list[float]) -> None:
    async def scenario(limit: BodyLimit) -> None:
        alone, small = Sender(limit, 100 * MB), Sender(limit, 5 * MB)
        small.may_end.set()
        sending = asyncio.ensure_future(alone.send())
        await until(lambda: alone.asked == 2)
        clock[0] = 100_000.0
        assert await small.send() == "read"
        alone.may_end.set()
        assert await sending == "read"

        holder = rooms.Holder(200 * MB)
        parts: asyncio.Queue[bytes] = asyncio.Queue()

        async def receive() -> Message:
            return {"type": "http.request", "body": await parts.get(), "more_body": True}

        clock[0] = 0.0
        for now, part in ((9.0, 0), (20.0, 50_000_000), (30.0, 2_500_000)):
            asking = asyncio.ensure_future(holder.ask(receive))
            await asyncio.sleep(0)
            clock[0] = now
            parts.put_nowait(b" " * part)
            await asking
            asking = asyncio.ensure_future(holder.ask(receive))
            await asyncio.sleep(0)
            assert holder.pace() is None, now
            parts.put_nowait(b"")
            await asking
        asking = asyncio.ensure_future(holder.ask(receive))
        await asyncio.sleep(0)
        clock[0] = 40.0
        parts.put_nowait(b" " * 2_499_999)
        await asking
        # While we work on what came it is we who are slow.
        assert holder.pace() is None
        asking = asyncio.ensure_future(holder.ask(receive))
        await asyncio.sleep(0)
        assert holder.pace() == pytest.approx(249_999.9)
        holder.end()
        with pytest.raises(HTTPException, match=r"250 kB a second.*Nothing of it was kept"):
            await asking

    play(scenario)
