"""A removal API and a shop in one light process of its own: `python -m bench.standin --rate 50 --latency 1`.

It serves the photos, takes them as Base64, holds a quota over any sliding second, answers after its latency with a link
to an output, and serves that. It reads no more of a photo than the number in its head, and costs a tenth of what is
measured beside it. Prints `serving at URL`; `/admin/stats` tells what it counted, `/admin/config` changes it.
"""

import argparse
import asyncio
import base64
import json
import socket
import time
from collections import deque
from typing import Any
from urllib.parse import parse_qs

from bench.pictures import Pictures, number_in

HEAD_END = b"\r\n\r\n"
BODY_KEPT = 256
WATCHED_FROM = 1_000_000_000
"""Photos of such numbers are told apart: when each was called."""
_MARK = b'image_Base64": "'


class Counts:
    """What has come in since it was last reset.

    Args:
        rate: Calls that any second may hold; 0 for any number.
        latency: Seconds that an accepted call takes.
    """

    def __init__(self, rate: float, latency: float) -> None:
        self.rate = int(rate)
        self.latency = latency
        self._window: deque[float] = deque()
        self.reset()

    def reset(self) -> None:
        """Forget what was counted, but not the window."""
        self.accepted: list[float] = []
        self.refused = 0
        self.photos = 0
        self.outputs = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.first_photo_at = 0.0
        self.last_output_at = 0.0
        self.called_at: dict[str, float] = {}

    def take(self) -> bool:
        """Count a call and return whether the quota has room."""
        now = time.monotonic()
        window = self._window
        while window and now - window[0] >= 1.0:
            window.popleft()
        if self.rate and len(window) >= self.rate:
            self.refused += 1
            return False
        window.append(now)
        self.accepted.append(now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return True

    def tell(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "accepted_times": self.accepted,
            "received": len(self.accepted) + self.refused,
            "throttled": self.refused,
            "photos": self.photos,
            "outputs": self.outputs,
            "most_in_flight": self.most_in_flight,
            "first_photo_at": self.first_photo_at,
            "last_output_at": self.last_output_at,
            "called_at": self.called_at,
            "cpu_seconds": time.process_time(),
        }


class Exchange(asyncio.Protocol):
    """One connection, kept alive; requests come one after the other."""

    def __init__(self, counts: Counts, pictures: Pictures) -> None:
        self._counts = counts
        self._pictures = pictures
        self._head = b""
        self._body = b""
        self._left = -1
        self._path = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._host = "{}:{}".format(*transport.get_extra_info("sockname")[:2])

    def data_received(self, data: bytes) -> None:
        """Read heads and skip bodies."""
        if self._left < 0:
            self._head += data
            end = self._head.find(HEAD_END)
            if end < 0:
                return
            head, data = self._head[:end], self._head[end + len(HEAD_END) :]
            self._head, self._body = b"", b""
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self._path = path
            self._left = _length(head)
            self._is_call = method == "POST" and path.startswith("/rest/")
            self._called_at = time.monotonic()
            # The quota is asked when a call's head is there, as a gateway does.
            self._fits = self._is_call and self._counts.take()
        if len(self._body) < BODY_KEPT:
            self._body += data[: BODY_KEPT - len(self._body)]
        self._left -= len(data)
        if self._left <= 0:
            self._left = -1
            self._answer()

    def _answer(self) -> None:
        counts, path = self._counts, self._path
        if self._is_call:
            if not self._fits:
                self._send_json({"resCode": 501, "resMessage": "rate limit exceed"})
            else:
                number = self._photo_number()
                if number >= WATCHED_FROM:
                    counts.called_at[str(number)] = self._called_at
                asyncio.get_running_loop().call_later(counts.latency, self._finish_call, number)
        elif path.startswith("/photo/"):
            counts.first_photo_at = counts.first_photo_at or time.monotonic()
            counts.photos += 1
            self._send(self._pictures.photo(_number(path)), "image/jpeg")
        elif path.startswith("/output/"):
            counts.outputs += 1
            counts.last_output_at = time.monotonic()
            self._send(self._pictures.output(_number(path)), "image/jpeg")
        else:
            self._administer(path)

    def _administer(self, path: str) -> None:
        name, _, query = path.partition("?")
        counts, asked = self._counts, parse_qs(query)
        if name == "/admin/config":
            counts.rate = int(float(asked.get("rate", [str(counts.rate)])[0]))
            counts.latency = float(asked.get("latency", [str(counts.latency)])[0])
        told = counts.tell() if name == "/admin/stats" else {"outputs": counts.outputs}
        if name == "/admin/reset":
            counts.reset()
        self._send_json(told)

    def _photo_number(self) -> int:
        start = self._body.find(_MARK)
        return number_in(base64.b64decode(self._body[start + len(_MARK) :][:32]))

    def _finish_call(self, number: int) -> None:
        self._counts.in_flight -= 1
        url = f"http://{self._host}/output/{number}.jpg"
        self._send_json({"resCode": 200, "resMessage": "success", "requestId": f"r{number}", "data": {"imageUrl": url}})

    def _send_json(self, told: dict[str, Any]) -> None:
        self._send(json.dumps(told).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        if not self._transport.is_closing():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            self._transport.write(head + body)


def _length(head: bytes) -> int:
    lowered = head.lower()
    place = lowered.find(b"content-length:")
    return int(lowered[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0


def _number(path: str) -> int:
    return int(path.rsplit("/", 1)[1].partition(".")[0])


async def serve(rate: float, latency: float) -> None:
    """Serve on a free loopback port until killed."""
    counts, pictures = Counts(rate, latency), Pictures()
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = await loop.create_server(lambda: Exchange(counts, pictures), sock=listener, backlog=1024)
    print(f"serving at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve as asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=0, help="calls that any second may hold; 0 for any number")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds that a call takes")
    options = parser.parse_args()
    asyncio.run(serve(options.rate, options.latency))


if __name__ == "__main__":
    main()
