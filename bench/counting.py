"""A tiny HTTP server that takes its time, keeps a quota over any sliding second, and remembers when calls came."""

import json
import threading
import time
from bisect import bisect_left
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection


class Count:
    """When calls arrived, and which were refused.

    Args:
        quota: Calls per second that are accepted.
    """

    def __init__(self, quota: float) -> None:
        self._lock = threading.Lock()
        self._quota = int(quota)
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.late: list[float] = []

    def take(self, slot: float) -> bool:
        """Count a call and return whether it is accepted.

        Args:
            slot: When it was to be sent, in the machine's monotonic seconds.
        """
        with self._lock:
            now = time.monotonic()
            self.late.append(now - slot)
            fits = len(self.accepted) < self._quota or now - self.accepted[-self._quota] >= 1.0
            (self.accepted if fits else self.refused).append(now)
            return fits


def most_in_a_second(times: list[float]) -> int:
    """Return the largest number of times within any second, its end not included."""
    ordered = sorted(times)
    return max((bisect_left(ordered, begin + 1.0) - place for place, begin in enumerate(ordered)), default=0)


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
            fits = count.take(float(self.headers["X-Slot"]))
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
        pipe.send((count.accepted, count.refused, count.late))
        server.shutdown()
