"""One thread's connection to the removal API: kept between calls, opened ahead of a slot, bounded in time and size."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpcore
import httpx

from core.net.wire import Deadline, WireStream, dial, resolve

ANSWER_BYTES = 1_000_000
IDLE_SECONDS = 4.0
"""Shorter than the idle time servers commonly keep a connection, so that one is rarely closed under a request."""


@dataclass(slots=True)
class LineReply:
    """What has come back so far; complete only when `post` returned without raising."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_too_long: bool = False
    sent_at: float | None = None


class Line:
    """One connection to one server, for one thread.

    Args:
        url: The API's URL.
        tls: For https; shared by all lines.
        connect_timeout: Seconds for name, TCP and TLS together.
        read_timeout: Seconds from the first byte sent to the last byte read.
    """

    def __init__(self, url: httpx.URL, tls: ssl.SSLContext | None, connect_timeout: float, read_timeout: float) -> None:
        self._url = url
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._deadline = Deadline()
        self._stream: WireStream | None = None
        self._connection: httpcore.HTTP11Connection | None = None
        self._sent_before = 0

    @property
    def bytes_sent(self) -> int:
        """Bytes of the latest call that left through the socket."""
        return self._stream.bytes_written - self._sent_before if self._stream else 0

    @property
    def is_request_sent(self) -> bool:
        """Whether the latest call's request left whole; half a request cannot have been carried out."""
        return self._stream is not None and not self._stream.write_failed

    def open(self) -> None:
        """Connect, unless a usable connection is there already. Nothing that could count as a call is sent.

        Raises:
            httpcore.ConnectError: The server cannot be reached, or its certificate is not good.
            httpcore.ConnectTimeout: Not in time.
        """
        if self._is_usable():
            return
        self.close()
        port = self._url.port or (443 if self._tls else 80)
        self._deadline.start(self._connect_timeout)
        stream = dial(resolve(self._url.raw_host.decode(), port), self._deadline)
        if self._tls:
            stream = stream.start_tls(self._tls, self._url.raw_host.decode())
        origin = httpcore.Origin(self._url.raw_scheme, self._url.raw_host, port)
        self._stream = stream
        self._connection = httpcore.HTTP11Connection(origin, stream, keepalive_expiry=IDLE_SECONDS)

    def post(
        self,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        reply: LineReply,
        gate: Callable[[], None] = lambda: None,
        left: Callable[[], None] = lambda: None,
    ) -> None:
        """Send a request over the open connection and read its answer into `reply`.

        Args:
            target: Path and query.
            headers: Without `Host`.
            body: The whole body.
            reply: Filled as things arrive, so that what came before a failure is known.
            gate: Called at the last moment before the first byte leaves; what it raises ends the exchange unsent.
            left: Called as soon as the system has taken that; must not raise.

        Raises:
            httpcore.TimeoutException: The answer was not complete within the read timeout.
            httpcore.NetworkError: The connection broke.
            httpcore.ProtocolError: What came is not HTTP, or less than was announced.
        """
        if self._connection is None or self._stream is None:
            raise RuntimeError("open() comes before post()")
        self._deadline.start(self._read_timeout)
        self._sent_before = self._stream.bytes_written

        def open_gate() -> None:
            gate()
            reply.sent_at = time.monotonic()
            self._deadline.start(self._read_timeout)

        self._stream.hold_first_write(open_gate, left)
        port = self._url.port or (443 if self._tls else 80)
        request = httpcore.Request(
            b"POST",
            httpcore.URL(scheme=self._url.raw_scheme, host=self._url.raw_host, port=port, target=target),
            headers=[(b"Host", self._url.netloc), *headers],
            content=body,
        )
        response = self._connection.handle_request(request)
        try:
            reply.status = response.status
            reply.headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            for chunk in response.iter_stream():
                reply.body += chunk
                if len(reply.body) > ANSWER_BYTES:
                    reply.is_too_long = True
                    break
        finally:
            response.close()

    def _is_usable(self) -> bool:
        if self._connection is None or self._stream is None or self._connection.is_closed():
            return False
        return not self._connection.has_expired() and self._stream.is_quiet()

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._stream:
            self._stream.close()
        self._stream = self._connection = None
