"""The same as an actor of dramatiq."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers import thread_loop
from bench.peers.command import become, obey

broker = RedisBroker(url=os.environ.get("BENCH_REDIS"))
dramatiq.set_broker(broker)
actor = dramatiq.actor(thread_loop.clean)


def send(urls: list[str]) -> None:
    """Hand in photos."""
    for url in urls:
        actor.send(url)


def work(processes: int, in_flight: int) -> None:
    """Clean them."""
    become(["dramatiq", "bench.peers.dramatiq_loop", "-p", str(processes), "-t", str(in_flight)])


if __name__ == "__main__":
    obey(send, work)
