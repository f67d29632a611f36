"""Sockets with one deadline for everything that happens on them.

The usual timeouts bound a single read or write, so a server that sends one byte a second holds a thread for ever. Here
every operation gets what is left of one span of time, whether it is handshake, header or body.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import httpcore

Address = tuple[int, Any]
"""Family and socket address, as `getaddrinfo` gives them."""

Given = TypeVar("Given")
Gotten = TypeVar("Gotten")


class Deadline:
    """A moment after which nothing more is waited for; set anew for each phase."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = 0.0

    def start(self, seconds: float) -> None:
        """Let the span begin now."""
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left; negative once the moment has passed."""
        return self._at - time.monotonic()


class WireStream(httpcore.NetworkStream):
    """A connected socket whose every operation ends by the deadline; counts what it sends.

    The socket itself never waits: one with a timeout is told of it anew before each operation, and asks each time
    whether it may go on. Each of these gives the interpreter away, which has to be waited for where threads are busy.

    Args:
        sock: Connected.
        deadline: Shared with whoever drives the exchange.
        peer: The socket address that was connected to; kept because a closed connection no longer tells it.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, peer: Any) -> None:
        sock.settimeout(0)
        self._sock = sock
        self._deadline = deadline
        self._peer = peer
        # What was decrypted already shows on no socket.
        self._asks_first = not isinstance(sock, ssl.SSLSocket)
        self._is_answer_due = False
        self.bytes_written = 0
        self.write_failed = False
        self._gate: Callable[[], None] | None = None
        self._left: Callable[[], None] = lambda: None
        self._held = b""

    def hold_first_write(self, gate: Callable[[], None], left: Callable[[], None] = lambda: None) -> None:
        """Keep back the head of a request until its body comes, then ask `gate`, send both in one go and call `left`.

        Everything that costs time is done by then, so the request leaves the moment the gate opens.
        """
        self._gate, self._left, self._held = gate, left, b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - httpcore's signature
        """Return what arrives first, at most `max_bytes`; the deadline alone bounds the wait."""
        try:
            if self._is_answer_due and self._asks_first:
                self._wait_for(select.POLLIN)
            self._is_answer_due = False
            return self._patiently(self._sock.recv, max_bytes, select.POLLIN)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - httpcore's signature
        """Send all of `buffer`; the deadline alone bounds the wait."""
        if self._gate is not None:
            if not self._held:
                self._held = buffer
                return
            gate, head, self._gate, self._held = self._gate, self._held, None, b""
            buffer = head + buffer
            buffer = buffer[self._write_at(gate, buffer) :]
        self._is_answer_due = True
        left = memoryview(buffer)
        try:
            while left:
                sent = self._patiently(self._sock.send, left, select.POLLOUT)
                self.bytes_written += sent
                left = left[sent:]
        except TimeoutError as error:
            self.write_failed = True
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            self.write_failed = True
            raise httpcore.WriteError(str(error)) from error

    def _write_at(self, gate: Callable[[], None], buffer: bytes) -> int:
        """Send what the system takes of `buffer` the moment the gate opens, and return how many bytes that were."""
        gate()
        try:
            sent = self._sock.send(buffer)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as error:
            self.write_failed = True
            raise httpcore.WriteError(str(error)) from error
        self.bytes_written += sent
        self._left()
        return sent

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature
    ) -> "WireStream":
        """Return the same connection, encrypted and with the server's certificate checked."""
        try:
            self._sock.settimeout(self._left_seconds())
            sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout(str(error)) from error
        except (OSError, ValueError) as error:
            self.close()
            raise httpcore.ConnectError(str(error)) from error
        return WireStream(sock, self._deadline, self._peer)

    def get_extra_info(self, info: str) -> Any:
        """Answer what httpcore asks of a stream, and the peer's address."""
        if info == "server_addr":
            return self._peer
        if info == "is_readable":
            return not self.is_quiet()
        return None

    def is_quiet(self) -> bool:
        """Return whether the peer neither closed nor said anything unasked.

        Reading is the only reliable question under TLS 1.3, where session tickets make an idle socket readable.
        """
        try:
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def _patiently(self, work: Callable[[Given], Gotten], given: Given, event: int) -> Gotten:
        """Do something to the socket as soon as it is ready for that."""
        while True:
            self._left_seconds()
            try:
                return work(given)
            except BlockingIOError:
                self._wait_for(event)
            # Under TLS reading may have to write first, and the other way round.
            except ssl.SSLWantReadError:
                self._wait_for(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait_for(select.POLLOUT)

    def _wait_for(self, event: int) -> None:
        poll = select.poll()
        poll.register(self._sock, event)
        if not poll.poll(self._left_seconds() * 1000):
            raise TimeoutError("timed out")

    def _left_seconds(self) -> float:
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise TimeoutError("the time for this exchange is used up")
        return remaining


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host name, in the order the system prefers.

    Raises:
        httpcore.ConnectError: The name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} does not resolve: {error}") from error
    return list(dict.fromkeys((family, sockaddr) for family, _, _, _, sockaddr in found))


def dial(addresses: Sequence[Address], deadline: Deadline) -> WireStream:
    """Return a connection to the first address that takes one.

    Args:
        addresses: Tried in turn; each gets an equal share of the time left, so that a dead one does not use it up.
        deadline: Bounds all of them together.

    Raises:
        httpcore.ConnectError: No address took the connection.
        httpcore.ConnectTimeout: The last one did not answer in time.
    """
    failure: OSError = OSError("there is no address to connect to")
    for number, (family, sockaddr) in enumerate(addresses):
        share = deadline.remaining() / (len(addresses) - number)
        if share <= 0:
            raise httpcore.ConnectTimeout("the time for this exchange is used up")
        try:
            sock = _connected(family, sockaddr, share)
        except OSError as error:
            failure = error
        else:
            return WireStream(sock, deadline, sockaddr)
    kind = httpcore.ConnectTimeout if isinstance(failure, TimeoutError) else httpcore.ConnectError
    raise kind(str(failure)) from failure


def _connected(family: int, sockaddr: Any, seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(sockaddr)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
