"""Where output bytes live: in PostgreSQL beside the state, in a folder, or in a bucket; identical ones once."""

from typing import Protocol
from urllib.parse import unquote, urlsplit

from core.errors import CleanplateError, UsageError
from core.settings import Settings
from db.store.folder import FileStore
from db.store.postgres import PostgresStore
from db.store.s3 import S3Store


class ArtifactStore(Protocol):
    """Keeps bytes under a key that is made from them."""

    def place_of(self, key: str) -> str:
        """Return the URI that a key's bytes have here; empty when they go into the transaction that ends the job."""
        ...

    def upload(self, key: str, data: bytes) -> str:
        """Keep bytes ahead of that transaction and return their URI; `db.sweeping.upload` also sees them safe.

        Raises:
            OSError: It takes nothing at present.
        """
        ...

    def check(self) -> None:
        """Raise CleanplateError when it would take nothing now; the message says why."""
        ...

    def holds(self, uri: str) -> bool:
        """Whether a URI is one of this store's."""
        ...

    def delete(self, uri: str) -> None:
        """Forget the bytes behind a URI, if they are there."""
        ...


def open_store(setting: str, settings: Settings) -> ArtifactStore:
    """Return the store that `ARTIFACT_STORE`, or a command, names.

    Args:
        setting: `postgres`, `file:///absolute/folder` or `s3://bucket/prefix`.
        settings: How buckets are reached.

    Raises:
        UsageError: It names no store we have.
    """
    if setting == "postgres":
        return PostgresStore()
    parts = urlsplit(setting)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and parts.path != "/":
        return FileStore(unquote(parts.path))
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(settings, parts.netloc, parts.path.strip("/"))
    raise UsageError(
        f"ARTIFACT_STORE must be `postgres`, file:///absolute/folder or s3://bucket/prefix, not {setting!r}"
    )


def load(uri: str, settings: Settings) -> bytes:
    """Return the bytes behind a URI of a folder or a bucket.

    Raises:
        CleanplateError: They are gone, or cannot be read.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return FileStore.load(uri)
    if parts.scheme == "s3":
        return S3Store(settings, parts.netloc, "").load(uri)
    raise CleanplateError(f"an artifact is said to be at {uri[:80]!r}, which is no store we have")
