"""One worker process of the exactness test: threads that take permits and call a counting server."""

import sys
import threading
import time
from http.client import HTTPConnection
from multiprocessing.connection import Connection

from redis import Redis

from removal.limiter import Limiter, Outcome


def call_in_turn(end: Connection, redis_url: str, port: int, account: str, rate: float, threads: int) -> None:
    """Call until told to stop through the pipe, then tell how late each call was sent, by its slot, in µs."""
    sys.setswitchinterval(0.001)
    late: dict[int, int] = {}
    over = threading.Event()

    with Redis.from_url(redis_url, socket_timeout=30) as client:
        limiter = Limiter(client, account, rate)

        def work() -> None:
            server = HTTPConnection("127.0.0.1", port, timeout=60)
            server.connect()
            while not over.is_set():
                permit = limiter.wait_until_due(limiter.reserve(), cancelled=over)
                if permit.settled:
                    break
                late[permit.at_us] = time.time_ns() // 1000 - permit.at_us
                server.request("POST", "/", b"{}", {"X-Slot": str(permit.at_us)})
                is_accepted = b"200" in server.getresponse().read()
                limiter.settle(permit, Outcome.OK if is_accepted else Outcome.THROTTLED)
            server.close()

        crew = [threading.Thread(target=work) for _ in range(threads)]
        for thread in crew:
            thread.start()
        end.recv()
        over.set()
        for thread in crew:
            thread.join()
    end.send(late)
