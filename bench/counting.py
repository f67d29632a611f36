"""A tiny HTTP server that takes its time, keeps a quota over any sliding second, and remembers when calls came."""

import json
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call, in µs of the clock that this machine's Redis tells too.

    Attributes:
        slot_us: When it was to be sent.
        arrived_us: When its head had been read.
        is_accepted: Whether the quota had room.
    """

    slot_us: int
    arrived_us: int
    is_accepted: bool

    @property
    def late_us(self) -> int:
        """How long after its slot it arrived."""
        return self.arrived_us - self.slot_us


class Count:
    """Every call, in the order of arrival.

    Args:
        quota: Calls per second that are accepted.
    """

    def __init__(self, quota: float) -> None:
        self._lock = threading.Lock()
        self._quota = int(quota)
        self._accepted: list[int] = []
        self.calls: list[Call] = []

    def take(self, slot_us: int) -> bool:
        """Count a call and return whether it is accepted.

        Args:
            slot_us: When it was to be sent.
        """
        with self._lock:
            now = time.time_ns() // 1000
            fits = len(self._accepted) < self._quota or now - self._accepted[-self._quota] >= SECOND_US
            if fits:
                self._accepted.append(now)
            self.calls.append(Call(slot_us, now, fits))
            return fits


def most_in_a_second(times_us: list[int]) -> int:
    """Return the largest number of times within any second, its end not included."""
    ordered = sorted(times_us)
    return max((bisect_left(ordered, begin + SECOND_US) - place for place, begin in enumerate(ordered)), default=0)


def serve(pipe: Connection, quota: float, latency: float) -> None:
    """Serve on a free loopback port, which is told through the pipe; answer a word from it with what was counted."""
    count = Count(quota)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def do_POST(self) -> None:
            fits = count.take(int(self.headers["X-Slot"]))
            left = int(self.headers["Content-Length"])
            while left > 0:
                left -= len(self.rfile.read(min(left, 65536)))
            if fits:
                time.sleep(latency)
            body = json.dumps({"resCode": 200 if fits else 501}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipe.send(server.server_address[1])
        pipe.recv()
        pipe.send(count.calls)
        server.shutdown()
