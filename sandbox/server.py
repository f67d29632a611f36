"""The sandbox as a server that tests and commands start and stop."""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from PIL import Image

from sandbox.handler import Handler
from sandbox.service import Service
from sandbox.settings import SandboxSettings


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks the host's name up: without a resolver that can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up_all(self) -> None:
        """Ends every open connection, so that clients see the stop at once."""
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        error = sys.exc_info()[1]
        # A client that goes away is the client's business; anything else is a mistake in here.
        if not isinstance(error, OSError):
            sys.stderr.write("sandbox: a request failed\n" + traceback.format_exc())


class SandboxServer:
    """A removal API on a port of its own; usable as a context manager.

    Args:
        settings: what to serve; the defaults take any free port on loopback.

    Raises:
        OSError: the port cannot be bound.
    """

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        # Pillow loads its formats at the first photo: the arrival of the calls beside it would be noted too late.
        Image.preinit()
        self.settings = settings or SandboxSettings()
        self.service = Service(self.settings)
        handler = type("BoundHandler", (Handler,), {"service": self.service})
        self._listener = _Listener((self.settings.host, self.settings.port), handler)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.1}, name="sandbox", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that was bound."""
        return self._listener.server_port

    @property
    def url(self) -> str:
        """Address of the server, without a slash at the end."""
        return f"http://{self.settings.host}:{self.port}"

    def start(self) -> Self:
        """Starts to serve in threads of this process."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops serving; calls in flight get no answer."""
        self.service.stopping.set()
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.server_close()
        self._listener.hang_up_all()

    def stats(self) -> dict[str, Any]:
        """The counts, as `/admin/stats` tells them."""
        return self.service.stats.snapshot()

    def configure(self, **changes: Any) -> None:
        """Changes live settings or the script (`next`); raises ValueError as `Service.configure` does."""
        self.service.configure(**changes)

    def reset(self) -> None:
        """Forgets counts, the quota's memory, outputs and the script."""
        self.service.reset()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
