"""The same as a coroutine of taskiq."""

import asyncio
import os

from taskiq_redis import ListQueueBroker

from bench.peers.async_loop import AsyncLoop
from bench.peers.command import become, obey

broker = ListQueueBroker(os.environ.get("BENCH_REDIS", "redis://localhost"))
loops: list[AsyncLoop] = []


async def clean(url: str) -> None:
    """Clean one photo."""
    if not loops:
        loops.append(AsyncLoop(int(os.environ["BENCH_THREADS"])))
    await loops[0].run(url)


task = broker.register_task(clean, task_name="clean")


async def enqueue(urls: list[str]) -> None:
    """Hand in photos."""
    await broker.startup()
    for url in urls:
        await task.kiq(url)
    await broker.shutdown()


def send(urls: list[str]) -> None:
    """Hand in photos."""
    asyncio.run(enqueue(urls))


def work(processes: int, in_flight: int) -> None:
    """Clean them."""
    options = ["--workers", str(processes), "--max-async-tasks", str(in_flight), "--log-level", "WARNING"]
    become(["taskiq", "worker", "bench.peers.taskiq_loop:broker", *options])


if __name__ == "__main__":
    obey(send, work)
