"""The same for an event loop: what a bare loop does with one photo, as a coroutine.

With aiohttp: a pool of httpx looks at each of its connections for each request, which costs a hundred coroutines in one
process three times as much CPU as the work itself.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psycopg_pool
import redis.asyncio

from bench.peers.thread_loop import INSERT, TOKEN, body_of, path_of, signed


class AsyncLoop:
    """The loop for coroutines; to be made where its event loop runs. It is told where everything is by `BENCH_…`.

    Args:
        in_flight: How many photos are under way at once.
        take_token: Waits for the next token; without it one is taken from Redis, as the threads do.
    """

    def __init__(self, in_flight: int, take_token: Callable[[], Awaitable[object]] | None = None) -> None:
        self._api = os.environ["BENCH_API"]
        self._folder = Path(os.environ["BENCH_OUT"])
        rate = float(os.environ["BENCH_RATE"])
        self._interval_us = 1e6 / rate if rate else 0.0
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._redis: Any = redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS"])
        self._script = self._redis.register_script(TOKEN)
        self._take_token = take_token or self._wait_for_token
        self._pool: Any = psycopg_pool.AsyncConnectionPool(
            os.environ["BENCH_POSTGRES"],
            min_size=4,
            max_size=min(in_flight, 20),
            open=False,
            kwargs={"autocommit": True},
        )
        self._opened: asyncio.Task[None] | None = None

    async def run(self, url: str) -> None:
        """Clean one photo."""
        if self._opened is None:
            self._opened = asyncio.create_task(self._pool.open())
        await self._opened
        began = time.monotonic()
        body = body_of(await self._get(url))
        answer = await self._call(body)
        output_url = answer["data"]["imageUrl"]
        path = path_of(self._folder, url)
        path.write_bytes(await self._get(output_url))
        async with self._pool.connection() as connection:
            await connection.execute(INSERT, (url, output_url, str(path), time.monotonic() - began))

    async def _call(self, body: bytes) -> dict[str, Any]:
        while True:
            await self._take_token()
            headers = {"Content-Type": "application/json"}
            async with self._client.post(signed(self._api), data=body, headers=headers) as reply:
                answer: dict[str, Any] = await reply.json()
            if answer["resCode"] == 200:
                return answer

    async def _get(self, url: str) -> bytes:
        async with self._client.get(url) as reply:
            data: bytes = await reply.read()
            return data

    async def _wait_for_token(self) -> None:
        if wait_us := int(await self._script(keys=["bare:token"], args=[self._interval_us])):
            await asyncio.sleep(wait_us / 1e6)
