"""Encoding the picture that is sent within the provider's formats and bytes."""

from PIL import Image

from core.errors import SourceRefused
from photos.pictures import encoded
from removal.bounds import Bounds

_QUALITIES = (95, 90, 85, 75, 60, 40, 20)
_FULL_COLOUR_FROM = 85
"""Up to here colour is kept at full resolution; below, only small files count."""

_LOSSLESS_PIXELS_PER_BYTE = 0.66
"""Photos rarely become smaller PNGs than one and a half bytes a pixel; larger pictures are not worth the try."""

_LOSSY_SOURCES = {"JPEG", "AVIF"}


def encode_within(
    image: Image.Image, source_format: str, bounds: Bounds, *, is_plain: bool
) -> tuple[bytes, str, int | None]:
    """Return the file to send, its format, and the JPEG quality if something was lost.

    Args:
        image: The picture in RGB.
        source_format: A source that never lost anything is sent so too when it fits.
        bounds: The provider's.
        is_plain: Whether the API could not read the photo before: it then gets the most ordinary file there is.

    Raises:
        SourceRefused: `too_many_bytes`: not even a poor JPEG is small enough.
    """
    pixels = image.width * image.height
    is_worth_it = not is_plain and pixels <= bounds.max_bytes * _LOSSLESS_PIXELS_PER_BYTE
    if source_format not in _LOSSY_SOURCES and "PNG" in bounds.formats and is_worth_it:
        data = encode(image, None)
        if len(data) <= bounds.max_bytes:
            return data, "PNG", None
    for quality in _QUALITIES[1:] if is_plain else _QUALITIES:
        data = encode(image, quality)
        if len(data) <= bounds.max_bytes:
            return data, "JPEG", quality
    raise SourceRefused(
        "too_many_bytes", f"Not even a poor JPEG of the photo has {bounds.max_bytes:,} bytes or less. Make it smaller."
    )


def encode(image: Image.Image, quality: int | None) -> bytes:
    """Return the file to send: a JPEG of this quality, or a PNG for None."""
    if quality is None:
        return encoded(image, "PNG", compress_level=1)
    return encoded(image, "JPEG", quality=quality, subsampling=0 if quality >= _FULL_COLOUR_FROM else 2)
