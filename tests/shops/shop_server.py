"""What all stand-ins have: an HTTP server of JSON and photos, faults that are asked for, and what was asked of it."""

import json
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Answer:
    """What a stand-in answers, to a method where it is a fault; `is_lost` does what was asked and says nothing."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    is_lost: bool = False
    method: str = ""


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class ShopServer:
    """A shop at an address of its own; photos below it are files by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.faults: list[Answer] = []
        """What the next requests of the API get instead of an answer; one that is lost is done all the same."""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size) if size else b""
                path = self.path.partition("?")[0]
                if self.command == "GET" and path in shop.files:
                    self._send(200, shop.files[path], {"Content-Type": "image/png"})
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, json.loads(body) if body else None)
                shop.asked.append(asked)
                fault = shop.next_fault(asked)
                answer = fault if fault is not None and not fault.is_lost else shop.answer(asked)
                if fault is not None and fault.is_lost:
                    self.close_connection = True
                    return
                raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self._send(answer.status, raw, {"Content-Type": "application/json", **answer.headers})

            def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                with suppress(OSError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = _take

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, asked: Asked) -> Answer:
        """Return what the API answers."""
        raise NotImplementedError

    def next_fault(self, asked: Asked) -> Answer | None:
        """Return what a request gets instead of an answer, once."""
        found = next((each for each in self.faults if each.method in {"", asked.method}), None)
        if found is not None:
            self.faults.remove(found)
        return found

    def calls(self, method: str = "") -> list[Asked]:
        """Return the requests that came, or those of a method."""
        return [each for each in self.asked if method in {"", each.method}]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def fetched(url: str) -> bytes | None:
    """Return what a URL gives to a shop that fetches it; None when it gives nothing."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            data: bytes = response.read()
            return data
    except (urllib.error.URLError, OSError, ValueError):
        return None
