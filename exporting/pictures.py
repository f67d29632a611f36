"""Small pictures of photos as they came in and came out, for what is looked at without a server."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine

from core.errors import CleanplateError
from core.regular import read_regular
from db import artifacts, uploads
from db.session import transact
from photos.decoders import thumbnail
from photos.source import MAX_SOURCE_BYTES


def read_before(engine: Engine, uri: str) -> bytes | None:
    """Return a photo as it came in; None when it is not to be had without asking others for it."""
    if uri.startswith(uploads.SCHEME):
        return transact(engine, lambda connection: uploads.find(connection, uri))
    if not uri.startswith("file://"):
        return None
    try:
        return read_regular(Path(unquote(urlsplit(uri).path)), MAX_SOURCE_BYTES)
    except OSError:
        return None


def read_after(engine: Engine, sha256: str | None) -> bytes | None:
    """Return an output; None when there is none, or it cannot be read."""
    if sha256 is None:
        return None
    try:
        return artifacts.fetch(engine, sha256)
    except CleanplateError:
        return None


def small(data: bytes | None, side: int) -> bytes | None:
    """Return a small picture of a photo; None when there is none to be made."""
    if data is None:
        return None
    try:
        return thumbnail(data, side)
    except CleanplateError:
        return None
