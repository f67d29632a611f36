"""A way between a worker and its servers that can be cut: what is sent then arrives late, or never."""

import contextlib
import socket
import threading

CHUNK = 65_536


class CutProxy:
    """Passes on what comes to a port of loopback, until it is cut.

    Args:
        target: Host and port, or the path of a Unix socket.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self._open = threading.Event()
        self._open.set()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """Let nothing through any more, in neither direction; nobody is told."""
        self._open.clear()

    def mend(self, *, is_lost: bool) -> None:
        """Let things through again.

        Args:
            is_lost: Whether connections that were cut are gone; else what was held up arrives now.
        """
        if is_lost:
            self._hang_up()
        self._open.set()

    def close(self) -> None:
        """Listen no longer, and end all connections."""
        self._listener.close()
        self._hang_up()
        self._open.set()

    def _hang_up(self) -> None:
        with self._lock:
            for end in self._sockets:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._open.wait()
        family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
        far = socket.socket(family, socket.SOCK_STREAM)
        try:
            far.connect(self._target)
        except OSError:
            near.close()
            far.close()
            return
        if family == socket.AF_INET:
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets |= {near, far}
        back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
        back.start()
        self._pass_on(near, far)
        back.join()
        with self._lock:
            self._sockets -= {near, far}
        near.close()
        far.close()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._open.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
