"""HTTP around the service."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.answers import HttpAnswer, RefusalError, as_json
from sandbox.dialects import Dialect, Received
from sandbox.service import HangUpError, Service

# 10 MB of photo are 13.4 MB of Base64; past this the body is not even read.
MAX_BODY = 40 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """One connection; a subclass made by the server carries the service."""

    service: Service
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    disable_nagle_algorithm = True
    rbufsize = 256 * 1024
    arrived = 0.0

    def parse_request(self) -> bool:
        # The request line has just come in: this is the moment the quota counts.
        self.arrived = time.monotonic()
        self._body_read = False
        return super().parse_request()

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def _route(self, method: str) -> None:
        parts = urlsplit(self.path)
        path = parts.path
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if dialect := self.service.dialect_of(path, query, headers):
            self._removal(dialect, Received(self.arrived, method, path, query, headers, self._base_url()))
            return
        body = self._read_body()
        if method == "GET" and path.startswith("/output/"):
            self._output(path.removeprefix("/output/"))
        elif method == "GET" and path == "/healthz":
            self._send(as_json({"ok": True}))
        elif method == "GET" and path == "/admin/stats":
            self._send(as_json(self._stats()))
        elif method == "POST" and path == "/admin/config":
            self._configure(body)
        elif method == "POST" and path == "/admin/reset":
            self.service.reset()
            self._send(as_json({"ok": True}))
        else:
            self._send(as_json({"error": f"no {method} {path} here"}, 404))

    def _removal(self, dialect: Dialect, received: Received) -> None:
        try:
            answer = self.service.call(dialect, received, self._read_body)
        except HangUpError as error:
            self._hold(error.hold_seconds)
            self.close_connection = True
            if not self._body_read:
                # Lingering for no time makes the system send a reset, as a dying server would.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        except _BodyError as error:
            self.close_connection = True
            answer = dialect.refusal(RefusalError(705 if error.status == 413 else 700, str(error)))
        self._send(answer)

    def _output(self, name: str) -> None:
        found = self.service.outputs.get(name)
        if found is None:
            self._send(as_json({"error": "no such output, or it has expired"}, 404))
            return
        self.service.stats.output_served()
        self._send(HttpAnswer("200", found[0], content_type=found[1]))

    def _stats(self) -> dict[str, Any]:
        settings = self.service.settings
        return {
            **self.service.stats.snapshot(),
            "config": {
                "rate": settings.rate,
                "latency": settings.latency,
                "faults": dict(settings.faults),
                "names": list(settings.names),
                "echo": settings.echo,
                "throttle_style": settings.throttle_style,
            },
        }

    def _configure(self, body: bytes) -> None:
        try:
            self.service.configure(**json.loads(body or b"{}"))
        except (ValueError, TypeError, AttributeError) as error:
            self._send(as_json({"error": str(error)}, 400))
            return
        self._send(as_json({"ok": True}))

    def _base_url(self) -> str:
        host = self.headers.get("Host")
        if not host:
            address = self.connection.getsockname()
            host = f"{address[0]}:{address[1]}"
        return f"http://{host}"

    def _read_body(self) -> bytes:
        if self._body_read:
            return b""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            raise _BodyError(411, "send a Content-Length")
        text = self.headers.get("Content-Length", "0")
        length = int(text) if text.isascii() and text.isdigit() else 0
        if length > MAX_BODY:
            raise _BodyError(413, "the request is far over 10 MB")
        self._body_read = True
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            raise ConnectionResetError("the client went away in mid-request")
        return body

    def _send(self, answer: HttpAnswer) -> None:
        reason = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else "?"
        lines = [
            f"HTTP/1.1 {answer.status} {reason}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        # One write for small answers, so that head and body share a packet.
        if len(answer.body) < 64 * 1024:
            self.wfile.write(head + answer.body)
        else:
            self.wfile.write(head)
            self.wfile.write(answer.body)

    def _hold(self, seconds: float) -> None:
        """Waits without answering until the time is up, the client is gone or the server stops."""
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.connection, select.POLLIN | select.POLLHUP)
        while not self.service.stopping.is_set():
            left = end - time.monotonic()
            if left <= 0:
                return
            if poll.poll(min(left, 0.2) * 1000):
                # Bytes that were not asked for or an end: either way nobody waits for this answer any more.
                return

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the statistics tell what came in."""


class _BodyError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
