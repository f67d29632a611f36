"""The plainest Celery task, in its pool of threads."""

import os

from celery import Celery

from bench.peers import thread_loop
from bench.peers.command import obey, run_all

app = Celery("bare", broker=os.environ.get("BENCH_REDIS"), set_as_current=False)
app.conf.task_ignore_result = True
task = app.task(thread_loop.clean, name="bare.clean")


def send(urls: list[str]) -> None:
    """Hand in photos."""
    for url in urls:
        task.delay(url)


def work(processes: int, in_flight: int) -> None:
    """Clean them."""
    argv = ["celery", "-A", "bench.peers.celery_loop", "worker", "-P", "threads", "-c", str(in_flight), "-l", "warning"]
    run_all([[*argv, "-n", f"bare{number}@%h"] for number in range(processes)])


if __name__ == "__main__":
    obey(send, work)
