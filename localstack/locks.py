"""Advisory file locks: the kernel drops them when a process ends, however it ends."""

import contextlib
import fcntl
import os
from pathlib import Path


class FileLock:
    """An flock on one file, for the life of this object or of whoever inherits its descriptor.

    Args:
        path: The file; made with mode 0600 when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def try_exclusive(self) -> bool:
        """Take the lock alone; False when anyone else holds it. A shared hold of ours is given up either way."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the lock beside other sharers; False while someone holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def write(self, text: str) -> None:
        """Leave a word in the file for those who find it locked."""
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), text.encode(), 0)

    def read(self) -> str:
        """Return what the holder wrote; empty when nothing is there."""
        with contextlib.suppress(FileNotFoundError):
            return self._path.read_text(encoding="utf-8")
        return ""

    def fileno(self) -> int:
        """Return the descriptor a child may inherit to keep the lock alive."""
        if self._fd is None:
            raise ValueError(f"{self._path} is not locked")
        return self._fd

    def close(self) -> None:
        """Let go. A child that inherited the descriptor keeps the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _try(self, kind: int) -> bool:
        fd = self._fd if self._fd is not None else os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._fd = None
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return True
