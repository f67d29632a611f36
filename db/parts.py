"""Outputs read a part at a time, so that whoever serves them holds none as a whole."""

import hashlib
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, Engine

from core.errors import CleanplateError
from db.artifacts import fetch
from db.session import transact
from db.statements import text

HASHED_BYTES = 1 << 20


class Parts(Protocol):
    """An output's bytes."""

    size: int

    def read(self, first: int, count: int) -> bytes:
        """Return so many bytes from `first` on.

        Raises:
            CleanplateError: They are gone.
        """
        ...

    def close(self) -> None:
        """Let go of them."""
        ...


def open_parts(engine: Engine, sha256: str) -> Parts:
    """Return an output's bytes to be read, checked where others could have changed them.

    Raises:
        CleanplateError: They are gone, or not what was stored.
    """
    statement = text(
        "SELECT f.uri, octet_length(b.data) FROM artifacts AS f LEFT JOIN artifact_bytes AS b "
        "ON b.sha256 = f.sha256 AND f.uri LIKE 'postgres:%' WHERE f.sha256 = :sha256"
    )
    uri, size = transact(engine, lambda connection: tuple(connection.execute(statement, {"sha256": sha256}).one()))
    if uri.startswith("postgres:") and size is not None:
        return _InDatabase(engine, sha256, size)
    if uri.startswith("file:"):
        file = _checked(Path(unquote(urlsplit(uri).path)), sha256)
        if file is not None:
            return _InFile(file)
    # A bucket's, or what was moved in between, or is gone, and then this says so.
    data = fetch(engine, sha256)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
    file.write(data)
    return _InFile(file)


class _InDatabase:
    def __init__(self, engine: Engine, sha256: str, size: int) -> None:
        self._engine = engine
        self._sha256 = sha256
        self.size = size

    def read(self, first: int, count: int) -> bytes:
        statement = text("SELECT substring(data FROM :first FOR :count) FROM artifact_bytes WHERE sha256 = :sha256")
        values = {"sha256": self._sha256, "first": first + 1, "count": count}

        def look(connection: Connection) -> bytes | None:
            return connection.execute(statement, values).scalar_one_or_none()

        found = transact(self._engine, look)
        if found is None:
            raise CleanplateError(f"the bytes of artifact {self._sha256[:12]} are not in the database any more")
        return bytes(found)

    def close(self) -> None:
        """Nothing to do."""


class _InFile:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        # Both who wrote it and who checked it are at its end.
        self.size = file.tell()

    def read(self, first: int, count: int) -> bytes:
        self._file.seek(first)
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()


def _checked(path: Path, sha256: str) -> IO[bytes] | None:
    """Return a file whose content is the output's; None when it is not, or not there."""
    with suppress(OSError):
        file = path.open("rb")
        found = hashlib.sha256()
        while part := file.read(HASHED_BYTES):
            found.update(part)
        if found.hexdigest() == sha256:
            return file
        file.close()
    return None
