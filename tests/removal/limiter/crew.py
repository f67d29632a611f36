"""One worker process of the exactness test: threads that do nothing but take permits."""

import sys
import threading
import time
from multiprocessing.connection import Connection

from redis import Redis

from removal.limiter import Limiter, Outcome


def take_permits(end: Connection, url: str, account: str, rate: float, threads: int, seconds: float) -> None:
    """Take permits for some seconds and tell through the pipe when each was due, on the machine's monotonic clock."""
    sys.setswitchinterval(0.001)
    moments: list[float] = []
    over = threading.Event()

    with Redis.from_url(url, socket_timeout=5) as client:
        limiter = Limiter(client, account, rate)

        def take() -> None:
            while not over.is_set():
                permit = limiter.wait_until_due(limiter.reserve(), cancelled=over)
                if permit.settled:
                    return
                moments.append(time.monotonic())
                limiter.settle(permit, Outcome.OK, latency_seconds=0.0)

        crew = [threading.Thread(target=take) for _ in range(threads)]
        for thread in crew:
            thread.start()
        over.wait(seconds)
        over.set()
        for thread in crew:
            thread.join()
    end.send(moments)
