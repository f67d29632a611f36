"""The same as a script of asyncio with aiolimiter: one process, since its limiter knows of no other.

Photos come from a list in Redis, so that it can be handed some twice; a script would read them from a file.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from typing import Any

import redis
import redis.asyncio
from aiolimiter import AsyncLimiter

from bench.peers.async_loop import AsyncLoop
from bench.peers.command import obey

KEY = "aiolimiter:urls"


async def clean_all(in_flight: int) -> None:
    """Clean what is in the list, for ever."""
    rate = float(os.environ["BENCH_RATE"])
    limiter = AsyncLimiter(rate, 1.0) if rate else AsyncExitStack()

    async def take() -> None:
        async with limiter:
            pass

    loop = AsyncLoop(in_flight, take)
    source: Any = redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS"])

    room = asyncio.Semaphore(in_flight)
    async with asyncio.TaskGroup() as group:
        while True:
            await room.acquire()
            _, url = await source.blpop(KEY)
            group.create_task(loop.run(url.decode())).add_done_callback(lambda _: room.release())


def send(urls: list[str]) -> None:
    """Hand in photos."""
    redis.Redis.from_url(os.environ["BENCH_REDIS"]).rpush(KEY, *urls)


def work(processes: int, in_flight: int) -> None:
    """Clean them."""
    asyncio.run(clean_all(processes * in_flight))


if __name__ == "__main__":
    obey(send, work)
