"""Bytes in a folder, one file per content, on disk before the job's state commits."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import CleanplateError
from db.store.stored import Stored

_PART = ".part-"


class FileStore:
    """A folder.

    Args:
        root: Absolute, and the same for every worker.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def place_of(self, key: str) -> str:
        """Return a key's URI."""
        return (self.root / key).as_uri()

    def upload(self, key: str, data: bytes) -> str:
        """Write the file whole or not at all."""
        path = self.root / key
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        return self.place_of(key)

    def check(self) -> None:
        """Raise CleanplateError when nothing can be written there."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise CleanplateError(f"{self.root} takes no outputs: {error.strerror}") from error

    def holds(self, uri: str) -> bool:
        """Whether a URI is below this folder."""
        return uri.startswith(f"{self.root.as_uri()}/")

    def list_all(self) -> Iterator[Stored]:
        """Yield every file in this folder, but those that are being written."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    if not name.startswith(_PART):
                        yield Stored(path.as_uri(), datetime.fromtimestamp(path.stat().st_mtime, UTC))

    def delete(self, uri: str) -> None:
        """Delete the file, if it is there."""
        _path_of(uri).unlink(missing_ok=True)

    @staticmethod
    def load(uri: str) -> bytes:
        """Return a file's bytes.

        Raises:
            CleanplateError: It cannot be read.
        """
        path = _path_of(uri)
        try:
            return path.read_bytes()
        except OSError as error:
            raise CleanplateError(f"{path} cannot be read: {error.strerror}") from error


def _path_of(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves either all of it or none of it.

    Raises:
        OSError: The disk is full or refuses; nothing half-written stays behind.
    """
    write_parts(path, (data,))


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """As `write_whole`, of what never is in memory as a whole.

    Raises:
        OSError: The disk is full or refuses; nothing half-written stays behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_PART)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
