"""The same as a job of RQ: a worker has one photo in flight, so that there are as many workers as photos.

Its workers fork for each job unless told otherwise; here they do not, so that clients and connections are kept.
"""

import os

import redis
from rq import Queue

from bench.peers import thread_loop
from bench.peers.command import become, obey

MOST_WORKERS = 40
"""So many fit into the memory of a small machine."""


def clean(url: str) -> None:
    """Clean one photo."""
    thread_loop.clean(url)


def send(urls: list[str]) -> None:
    """Hand in photos."""
    queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_REDIS"]))
    queue.enqueue_many([Queue.prepare_data("bench.peers.rq_loop.clean", [url], result_ttl=0) for url in urls])


def work(processes: int, in_flight: int) -> None:
    """Clean them."""
    workers = str(min(MOST_WORKERS, processes * in_flight))
    options = ["-u", os.environ["BENCH_REDIS"], "-w", "rq.worker.SimpleWorker", "-n", workers, "-q"]
    become(["rq.cli", "worker-pool", *options])


if __name__ == "__main__":
    obey(send, work)
