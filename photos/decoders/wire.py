"""What goes between a process and its decoders: messages in two nameless files that both have, and no unnamed class.

Large bytes lie there as they are, so that a photo is copied and not looked at. The files are used again and again: new
memory would take longer than the copying.
"""

import io
import os
import pickle
import socket
import struct
import tempfile
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

LARGE_BYTES = 4096
KEPT_BYTES = 8_000_000
"""Of a file that stays as large as it has become."""
MOST_BYTES = 1_000_000_000
"""Of a message."""
MOST_PARTS = 100
"""Of a message that lie there as they are."""

_MOST_AT_ONCE = 16
"""Parts that any system writes with one call."""

_HEAD = struct.Struct("!QQQ")
_SIZE = struct.Struct("!Q")


class NoMessage(Exception):
    """The other side is gone, or says what cannot be."""


class Channel:
    """One end.

    Args:
        sock: Says that there is a message.
        written: The file that messages of this side are in.
        read: The file that messages of the other side are in.
        find_class: Returns a class of theirs by its module and name, or raises.
    """

    def __init__(self, sock: socket.socket, written: int, read: int, find_class: Callable[[str, str], Any]) -> None:
        self._sock = sock
        self._written = written
        self._read = read
        self._find_class = find_class
        self._patience_seconds = 0.0
        sock.settimeout(None)

    def wait_at_most(self, seconds: float) -> None:
        """Bound each wait for the other side.

        The system does it: a socket with a timeout of its own asks before each word whether there is one.
        """
        if seconds != self._patience_seconds:
            told = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._sock.setsockopt(socket.SOL_SOCKET, option, told)
            self._patience_seconds = seconds

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            OSError: The other side is gone.
        """
        parts: list[bytes] = []
        packed = io.BytesIO()
        _Packer(packed, parts).dump(message)
        body = packed.getvalue()
        table = b"".join(_SIZE.pack(len(part)) for part in parts)
        _write_all(self._written, [body, table, *parts])
        size = len(body) + len(table) + sum(map(len, parts))
        self._sock.sendall(_HEAD.pack(len(body), len(parts), size))

    def receive(self) -> Any:
        """Return the next message.

        Raises:
            NoMessage: There is none, nor will there be.
            TimeoutError: It did not come in time.
        """
        head = b""
        try:
            while len(head) < _HEAD.size and (more := self._sock.recv(_HEAD.size - len(head))):
                head += more
        except BlockingIOError:
            raise TimeoutError("the other side says nothing") from None
        except OSError as error:
            raise NoMessage(str(error)) from error
        if len(head) < _HEAD.size:
            raise NoMessage("the other side is gone")
        try:
            return self._unpacked(*_HEAD.unpack(head))
        except NoMessage:
            raise
        except Exception as error:
            raise NoMessage(f"the message cannot be read: {error}") from error

    def close(self) -> None:
        """Let go of this end."""
        self._sock.close()
        os.close(self._written)
        os.close(self._read)

    def _unpacked(self, body_size: int, count: int, size: int) -> Any:
        start = body_size + count * _SIZE.size
        if count > MOST_PARTS or not start <= size <= min(MOST_BYTES, os.fstat(self._read).st_size):
            raise NoMessage("the message is not whole")
        head = self._part(0, start)
        sizes = [length for (length,) in _SIZE.iter_unpack(head[body_size:])]
        ends = list(accumulate(sizes, initial=start))

        def part(number: int) -> bytes:
            return self._part(ends[number], sizes[number])

        found = _Unpacker(head[:body_size], part, self._find_class).load()
        if size > KEPT_BYTES:
            os.ftruncate(self._read, KEPT_BYTES)
        return found

    def _part(self, at: int, size: int) -> bytes:
        # Not mapped: whoever else has the file could cut it off meanwhile.
        if size > MOST_BYTES:
            raise NoMessage("the message says what cannot be")
        found = os.pread(self._read, size, at)
        while len(found) < size:
            more = os.pread(self._read, size - len(found), at + len(found))
            if not more:
                raise NoMessage("the message is cut off")
            found += more
        return found


def nameless() -> int:
    """Return a new file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("picture", os.MFD_CLOEXEC)
    handle, path = tempfile.mkstemp()
    os.unlink(path)
    return handle


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, parts: list[bytes]) -> None:
        super().__init__(file, 5)
        self._parts = parts

    def persistent_id(self, obj: object) -> int | None:
        if type(obj) is not bytes or len(obj) < LARGE_BYTES:
            return None
        for number, part in enumerate(self._parts):
            if part is obj:
                return number
        self._parts.append(obj)
        return len(self._parts) - 1


class _Unpacker(pickle.Unpickler):
    def __init__(self, body: bytes, part: Callable[[int], bytes], find_class: Callable[[str, str], Any]) -> None:
        super().__init__(io.BytesIO(body))
        self._part = part
        self._find_class = find_class

    def persistent_load(self, number: Any) -> bytes:
        return self._part(number)

    def find_class(self, module: str, name: str) -> Any:
        return self._find_class(module, name)


def _write_all(handle: int, parts: Sequence[bytes]) -> None:
    """Write parts one behind the other from the file's start, with one call of the system unless it takes less."""
    # Not every system has it.
    written = os.pwritev(handle, parts[:_MOST_AT_ONCE], 0) if hasattr(os, "pwritev") else 0
    at = 0
    for part in parts:
        while written < at + len(part):
            written += os.pwrite(handle, memoryview(part)[written - at :], written)
        at += len(part)
