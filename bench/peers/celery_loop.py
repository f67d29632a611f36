"""The plainest Celery task: `celery -A bench.peers.celery_loop worker -P threads -c 50`."""

import os
import threading

from celery import Celery

from bench.peers.loop import BareLoop

app = Celery("bare", broker=os.environ.get("BENCH_REDIS"), set_as_current=False)
app.conf.task_ignore_result = True
loops: list[BareLoop] = []
lock = threading.Lock()


def clean(url: str) -> None:
    """Clean one photo."""
    if not loops:
        with lock:
            if not loops:
                loops.append(BareLoop(int(os.environ["BENCH_THREADS"])))
    loops[0].run(url)


task = app.task(clean, name="bare.clean")


def send(urls: list[str]) -> None:
    """Hand in photos."""
    for url in urls:
        task.delay(url)
