"""A server over loopback that misbehaves as told, byte by byte."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Talk:
    """One accepted connection, seen from the server.

    Args:
        sock: The connection.
        stopping: Set when the test is over.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping

    def read_request(self) -> bytes:
        """Return the next request, head and body; empty once the client is gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.sock.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            part = self.sock.recv(65536)
            if not part:
                return b""
            body += part
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def answer(self, body: bytes, status: int = 200, headers: str = "") -> None:
        """Send a whole HTTP answer."""
        head = f"HTTP/1.1 {status} Said\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        self.send(head.encode("latin-1") + body)

    def drip(self, data: bytes, seconds_between: float) -> None:
        """Send one byte at a time, for as long as the test lasts."""
        for at in range(len(data)):
            if self.stopping.wait(seconds_between):
                return
            self.send(data[at : at + 1])

    def stay_silent(self) -> None:
        """Say nothing until the test is over."""
        self.stopping.wait(30)


class Loopback:
    """Listens on a free port and hands every connection to `behave`, in a thread of its own.

    Args:
        behave: What the server does with a connection; it is closed afterwards.
    """

    def __init__(self, behave: Callable[[Talk], None]) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._stopping = threading.Event()
        self._accepted = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its root, without a slash."""
        return f"http://127.0.0.1:{self.port}"

    def wait_for_connections(self, count: int) -> bool:
        """Return whether that many connections were accepted within seconds."""
        with self._accepted:
            return self._accepted.wait_for(lambda: self.connections >= count, timeout=60)

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for sock in self._socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            with self._accepted:
                self.connections += 1
                self._accepted.notify_all()
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            self._behave(Talk(sock, self._stopping))


@contextmanager
def serving(behave: Callable[[Talk], None]) -> Iterator[Loopback]:
    """Run a server for the length of a test."""
    server = Loopback(behave)
    try:
        yield server
    finally:
        server.close()
