"""Small pictures of photos as they came in and came out, for what is looked at without a server."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine

from core.errors import CleanplateError
from core.regular import read_regular
from db import artifacts, uploads
from db.session import transact
from photos.decoders import thumbnail
from photos.metadata import rewritten
from photos.source import MAX_SOURCE_BYTES

SHOWN = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp"}
"""What every browser shows, with the suffix of its files."""
LARGEST_KEPT = 300_000
"""In bytes; a larger photo is made smaller for a page."""
LARGEST_SIDE = 1280
_STARTS = {"JPEG": rb"\xff\xd8\xff", "PNG": rb"\x89PNG\r\n", "GIF": b"GIF8", "WEBP": b"RIFF....WEBP"}


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


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A picture for a page: its bytes, and the suffix of its file."""

    data: bytes
    suffix: str


def preview(data: bytes | None) -> PagePicture | None:
    """Return a picture that fills a screen and is light: the photo itself, if it is that; None when there is none.

    It tells nothing beside that: pages are shown around, also those of batches that want nothing told.
    """
    if data is None:
        return None
    kind = next((kind for kind, start in _STARTS.items() if re.match(start, data, re.DOTALL)), None)
    if kind is not None and len(data) <= LARGEST_KEPT:
        plain = rewritten(data, kind, data, is_bare=True)
        if plain is not None:
            return PagePicture(plain, SHOWN[kind])
    made = small(data, LARGEST_SIDE)
    return None if made is None else PagePicture(made, SHOWN["JPEG"])


def small(data: bytes | None, side: int) -> bytes | None:
    """Return a small picture of a photo; None when there is none to be made."""
    if data is None:
        return None
    try:
        return thumbnail(data, side)
    except CleanplateError:
        return None
