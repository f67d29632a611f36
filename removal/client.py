"""Calling the removal API: sign, send, read. A call always ends in an `Answer`; the network never raises through it."""

import ssl
import threading
import time
from collections.abc import Callable

import httpcore
import httpx

from core.errors import UsageError
from core.net.trust import make_tls
from core.states import AnswerClass
from removal.answers import TEXT_CHARS, Answer, HttpReply, Kind, raw_text
from removal.contract import RemovalRequest
from removal.line import Line, LineReply
from removal.provider import Account, PreparedCall, Provider, Signed, find_provider


class RemovalClient:
    """Calls the removal API; one connection per thread, safe to share between threads.

    Args:
        url: The API's URL, http or https.
        key: The account's key.
        secret: The account's secret; appears in no message, repr or log.
        provider: Whose API it is, by the name of its module in `removal/providers/`.
        trial: Use the account's trial quota.
        connect_timeout: Seconds for name, TCP and TLS together. 15 is what the vendor's own client uses.
        read_timeout: Seconds from the first byte sent to the last byte of the answer; 30 is the vendor's.

    Raises:
        UsageError: The URL cannot be called, there is no such provider, or a package it needs is not installed.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        *,
        provider: str = "aidge",
        trial: bool = False,
        connect_timeout: float = 15.0,
        read_timeout: float = 30.0,
    ) -> None:
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise UsageError(f"The removal API's URL cannot be used: {error}.") from error
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise UsageError(f"The removal API's URL must start with http:// or https:// (given: {url[:80]!r}).")
        self.provider: Provider = find_provider(provider)(self._url, Account(key, secret, trial))
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._tls: ssl.SSLContext | None = make_tls() if self._url.scheme == "https" else None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._lines: dict[threading.Thread, Line] = {}

    def __repr__(self) -> str:
        return f"RemovalClient({self._url.scheme}://{self._url.netloc.decode()})"

    def prepare(self, request: RemovalRequest) -> PreparedCall:
        """Return the encoded request; may cost CPU, so do it before the slot."""
        return self.provider.encode(request)

    def connect(self) -> Answer | None:
        """Open this thread's connection, unless a usable one is there; nothing that could count as a call is sent.

        Returns:
            What came of a call that cannot connect, or None when it can be sent.
        """
        began = time.monotonic()
        try:
            self._line().open()
        except httpcore.ConnectTimeout as error:
            return _failure("connect_timeout", AnswerClass.PROVIDER_FAULT, error, began)
        except httpcore.ConnectError as error:
            return _failure("connect_error", AnswerClass.PROVIDER_FAULT, error, began)
        return None

    def call(self, request: RemovalRequest) -> Answer:
        """Prepare and send."""
        return self.send(self.prepare(request))

    def send(
        self,
        prepared: PreparedCall,
        gate: Callable[[], None] = lambda: None,
        left: Callable[[], None] = lambda: None,
        signed_at: float | None = None,
    ) -> Answer:
        """Sign, send, and return what came of it; whatever the network or the server does ends here.

        Args:
            prepared: From `prepare`.
            gate: Called once everything is ready, right before the first byte leaves; returns at the slot. What it
                raises is raised here, and nothing was sent.
            left: Called as soon as the system has taken what is sent first; must not raise.
            signed_at: Seconds since 1970 by the fleet's clock, at which it leaves; None for this machine's.
        """
        failure = self.connect()
        if failure is not None:
            return failure
        line = self._line()
        reply = LineReply()
        began = time.monotonic()
        try:
            signed = self.provider.sign(prepared, time.time() if signed_at is None else signed_at)
            line.post(signed.target, _headers(signed, prepared), prepared.body, reply, gate, left)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            if reply.status is None or reply.status < 400:
                return _broken(error, line, reply, reply.sent_at or began)
        return self._read(line, reply, reply.sent_at or began, signed_at)

    def close(self) -> None:
        """Close every thread's connection; to be called once no call is in flight."""
        with self._lock:
            for line in self._lines.values():
                line.close()
            self._lines.clear()
            self._local = threading.local()

    def _line(self) -> Line:
        line: Line | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = Line(self._url, self._tls, self._connect_timeout, self._read_timeout)
            with self._lock:
                for thread in [thread for thread in self._lines if not thread.is_alive()]:
                    self._lines.pop(thread).close()
                self._lines[threading.current_thread()] = line
        return line

    def _read(self, line: Line, reply: LineReply, began: float, signed_at: float | None) -> Answer:
        latency = time.monotonic() - began
        if reply.is_too_long:
            return _failure(
                "answer_too_long", AnswerClass.UNKNOWN, "the answer is over 1 MB", began, line=line, reply=reply
            )
        assert reply.status is not None
        received_at = time.time() if signed_at is None else signed_at + latency
        return self.provider.read(
            HttpReply(reply.status, reply.headers, bytes(reply.body), received_at, latency, line.bytes_sent)
        )


def _headers(signed: Signed, prepared: PreparedCall) -> list[tuple[bytes, bytes]]:
    return [
        *signed.headers,
        (b"Content-Length", str(len(prepared.body)).encode()),
        (b"Accept", b"application/json"),
        (b"Accept-Encoding", b"identity"),
        (b"User-Agent", b"cleanplate"),
    ]


def _broken(error: Exception, line: Line, reply: LineReply, began: float) -> Answer:
    is_timeout = isinstance(error, httpcore.TimeoutException)
    if not line.is_request_sent:
        code = "send_timeout" if is_timeout else "send_failed"
        return _failure(code, AnswerClass.PROVIDER_FAULT, error, began, line=line, reply=reply)
    code = "read_timeout" if is_timeout else "connection_lost"
    return _failure(code, AnswerClass.MAYBE_BILLED, error, began, line=line, reply=reply)


def _failure(
    code: str,
    answer_class: AnswerClass,
    cause: Exception | str,
    began: float,
    *,
    line: Line | None = None,
    reply: LineReply | None = None,
) -> Answer:
    return Answer(
        kind=Kind(answer_class),
        http_status=reply.status if reply else None,
        code=code,
        message=str(cause)[:TEXT_CHARS] or code.replace("_", " "),
        request_id=None,
        output_url=None,
        ban_seconds=None,
        raw=raw_text(bytes(reply.body)) if reply else "",
        latency_seconds=time.monotonic() - began,
        bytes_sent=line.bytes_sent if line else 0,
    )
