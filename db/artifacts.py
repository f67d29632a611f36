"""Where output bytes live: in PostgreSQL beside the state, or in a folder. Identical bytes are kept once."""

import hashlib
import hmac
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, text

from core.errors import CleanplateError, UsageError

SUFFIXES = {
    "JPEG": "jpg",
    "PNG": "png",
    "BMP": "bmp",
    "WEBP": "webp",
    "GIF": "gif",
    "TIFF": "tif",
    "AVIF": "avif",
}


def artifact_key(sha256: str, image_format: str) -> str:
    """Return an output's place below a store or a public URL: unguessable, and the same for the same bytes."""
    return f"{sha256[:2]}/{sha256}.{SUFFIXES.get(image_format, 'bin')}"


def signature(secret: str, key: str) -> str:
    """Return what shows that the URL of an output came from us."""
    return hmac.new(secret.encode(), key.encode(), hashlib.sha256).hexdigest()[:32]


def public_url(base: str, secret: str, sha256: str, image_format: str) -> str:
    """Return where an output can be fetched; signed when there is a secret for it.

    Args:
        base: Where outputs are, such as the web app's `/artifacts` or a bucket.
        secret: What URLs are signed with, or nothing.
        sha256: The output.
        image_format: Its format.
    """
    key = artifact_key(sha256, image_format)
    url = f"{base.rstrip('/')}/{key}"
    return f"{url}?sig={signature(secret, key)}" if secret else url


class ArtifactStore(Protocol):
    """Keeps bytes by their SHA-256."""

    def put(self, connection: Connection, sha256: str, data: bytes) -> str:
        """Keep `data` and return its URI; called inside the transaction that ends the job."""
        ...

    def get(self, connection: Connection, uri: str, sha256: str) -> bytes:
        """Return the bytes of one artifact."""
        ...


class PostgresStore:
    """Bytes in the table `artifact_bytes`: they commit or vanish together with the job's state."""

    def put(self, connection: Connection, sha256: str, data: bytes) -> str:
        """Insert the bytes unless they are there."""
        statement = text(
            "INSERT INTO artifact_bytes (sha256, data) VALUES (:sha256, :data) ON CONFLICT (sha256) DO NOTHING"
        )
        connection.execute(statement, {"sha256": sha256, "data": data})
        return f"postgres:{sha256}"

    def get(self, connection: Connection, uri: str, sha256: str) -> bytes:
        """Return the bytes, or raise CleanplateError when the row is gone."""
        statement = text("SELECT data FROM artifact_bytes WHERE sha256 = :sha256")
        data = connection.execute(statement, {"sha256": sha256}).scalar_one_or_none()
        if data is None:
            raise CleanplateError(f"the bytes of artifact {sha256[:12]} are not in the database")
        return bytes(data)


class FileStore:
    """Bytes in a folder, one file per content, on disk before the job's state commits.

    Args:
        root: An absolute folder that every worker reaches under the same path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, connection: Connection, sha256: str, data: bytes) -> str:
        """Write the file whole or not at all."""
        path = self.root / sha256[:2] / sha256[2:4] / sha256
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        return path.as_uri()

    def get(self, connection: Connection, uri: str, sha256: str) -> bytes:
        """Return the file's bytes, or raise CleanplateError when they are gone or not what was stored."""
        path = Path(unquote(urlsplit(uri).path))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CleanplateError(f"artifact {sha256[:12]} cannot be read from {path}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise CleanplateError(f"artifact {sha256[:12]} in {path} was changed since it was stored")
        return data


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves either all of it or none of it.

    Raises:
        OSError: The disk is full or refuses; nothing half-written stays behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def open_store(setting: str) -> ArtifactStore:
    """Return the store new artifacts go to.

    Raises:
        UsageError: ARTIFACT_STORE names no store we have.
    """
    if setting == "postgres":
        return PostgresStore()
    parts = urlsplit(setting)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and parts.path != "/":
        return FileStore(Path(unquote(parts.path)))
    raise UsageError(f"ARTIFACT_STORE must be `postgres` or file:///absolute/folder, not {setting!r}")


def keep(
    connection: Connection, store: ArtifactStore, data: bytes, *, image_format: str, width: int, height: int
) -> str:
    """Store output bytes, once per content, and return their SHA-256."""
    sha256 = hashlib.sha256(data).hexdigest()
    known = connection.execute(text("SELECT 1 FROM artifacts WHERE sha256 = :sha256"), {"sha256": sha256})
    if known.one_or_none():
        return sha256
    connection.execute(
        text(
            "INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height) "
            "VALUES (:sha256, :uri, :size_bytes, :format, :width, :height) ON CONFLICT (sha256) DO NOTHING"
        ),
        {
            "sha256": sha256,
            "uri": "",
            "size_bytes": len(data),
            "format": image_format,
            "width": width,
            "height": height,
        },
    )
    uri = store.put(connection, sha256, data)
    connection.execute(text("UPDATE artifacts SET uri = :uri WHERE sha256 = :sha256"), {"uri": uri, "sha256": sha256})
    return sha256


def read(connection: Connection, sha256: str) -> bytes:
    """Return an artifact's bytes, whichever store they are in.

    Raises:
        CleanplateError: They are gone; the message names where they should be.
    """
    uri = connection.execute(text("SELECT uri FROM artifacts WHERE sha256 = :sha256"), {"sha256": sha256}).scalar_one()
    store: ArtifactStore = PostgresStore() if uri.startswith("postgres:") else FileStore(Path("/"))
    return store.get(connection, uri, sha256)


def find_known(connection: Connection, sha256s: list[str]) -> set[str]:
    """Return which of these are outputs of ours."""
    statement = text("SELECT sha256 FROM artifacts WHERE sha256 = ANY(:sha256s)")
    return set(connection.execute(statement, {"sha256s": sha256s}).scalars())


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """What is known of an output's bytes."""

    sha256: str
    format: str
    size_bytes: int


def find(connection: Connection, sha256: str) -> ArtifactRow | None:
    """Return an output, or None."""
    statement = text("SELECT sha256, format, size_bytes FROM artifacts WHERE sha256 = :sha256")
    row = connection.execute(statement, {"sha256": sha256}).one_or_none()
    return ArtifactRow(*row) if row else None
