"""The same as a coroutine of arq."""

import asyncio
import os
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings

from bench.peers.async_loop import AsyncLoop
from bench.peers.command import obey, run_all

IN_FLIGHT = int(os.environ.get("BENCH_THREADS", "10"))
SETTINGS = RedisSettings.from_dsn(os.environ.get("BENCH_REDIS", "redis://localhost"))


async def clean(context: dict[str, Any], url: str) -> None:
    """Clean one photo."""
    await context["loop"].run(url)


async def start_up(context: dict[str, Any]) -> None:
    """Make the loop of this process."""
    context["loop"] = AsyncLoop(IN_FLIGHT)


class WorkerSettings:
    """What arq's command reads."""

    functions: ClassVar = [clean]
    on_startup = start_up
    redis_settings = SETTINGS
    max_jobs = IN_FLIGHT
    keep_result = 0


async def enqueue(urls: list[str]) -> None:
    """Hand in photos."""
    pool = await create_pool(SETTINGS)
    for url in urls:
        await pool.enqueue_job("clean", url)
    await pool.aclose()


def send(urls: list[str]) -> None:
    """Hand in photos."""
    asyncio.run(enqueue(urls))


def work(processes: int, in_flight: int) -> None:  # noqa: ARG001 - the settings above are read from the environment
    """Clean them."""
    run_all([["arq", "bench.peers.arq_loop.WorkerSettings"] for _ in range(processes)])


if __name__ == "__main__":
    obey(send, work)
