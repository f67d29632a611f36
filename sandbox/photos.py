"""Gets the photo of a call and checks it against the API's bounds."""

from __future__ import annotations

import base64
import io
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

from PIL import Image

from sandbox.answers import RefusalError
from sandbox.requests import ErasureRequest

MAX_BYTES = 10 * 1024 * 1024
# A phone's JPEG with a second frame in it reads as MPO; it is a JPEG all the same.
SAME_FORMATS = {"MPO": "JPEG"}


@dataclass(frozen=True)
class PhotoBounds:
    """What an API takes: sides in pixels, and Pillow's names of formats."""

    min_side: int
    max_side: int
    formats: tuple[str, ...]


@dataclass(frozen=True)
class SentPhoto:
    """The bytes as sent, and what they are."""

    data: bytes
    format: str
    size: tuple[int, int]

    def open(self) -> Image.Image:
        """Decodes every pixel; raises RefusalError 702 when the file is cut off or broken."""
        try:
            image = Image.open(io.BytesIO(self.data))
            image.load()
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise RefusalError(702, "the image cannot be decoded") from error
        return image


def get_photo(request: ErasureRequest, bounds: PhotoBounds, *, fetch_timeout_seconds: float) -> SentPhoto:
    """Fetches or decodes the photo and checks size, format and sides.

    Raises:
        RefusalError: 701 to 705, as in the reference.
    """
    if request.image_url is not None:
        data = _fetch(request.image_url, fetch_timeout_seconds)
    else:
        data = _decode(request.image_base64 or "")
    if len(data) > MAX_BYTES:
        raise RefusalError(705, "more than 10 MB")
    return inspect(data, bounds)


def inspect(data: bytes, bounds: PhotoBounds) -> SentPhoto:
    """Reads the header only; raises RefusalError 702, 703 or 704."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            name, size = SAME_FORMATS.get(image.format or "", image.format or ""), image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RefusalError(703, "far too many pixels") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise RefusalError(702, "not an image") from error
    if name not in bounds.formats:
        raise RefusalError(704, f"{name} is not one of {', '.join(bounds.formats)}")
    if not all(bounds.min_side <= side <= bounds.max_side for side in size):
        raise RefusalError(703, f"{size[0]}x{size[1]} is outside {bounds.min_side} to {bounds.max_side} pixels")
    return SentPhoto(data, name, size)


def encode(image: Image.Image, photo: SentPhoto) -> bytes:
    """Writes a picture in the photo's format."""
    buffer = io.BytesIO()
    if photo.format == "JPEG":
        image.save(buffer, "JPEG", quality=95, subsampling=0)
    elif photo.format == "WEBP":
        image.save(buffer, "WEBP", quality=95)
    else:
        image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise RefusalError(702, "not Base64") from error


def _fetch(url: str, timeout_seconds: float) -> bytes:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise RefusalError(701, "only http and https addresses can be fetched")
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response:  # noqa: S310 - scheme checked above
            data: bytes = response.read(MAX_BYTES + 1)
    except (OSError, ValueError, HTTPException) as error:
        raise RefusalError(701, f"failed to download: {type(error).__name__}") from error
    return data
