"""Opening source photos of every format taken, and saying in one voice why one is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from core.errors import SourceRefused
from photos.contents import depth_of, frames_in
from photos.orientation import orientation_of
from photos.photo import ARTIFACT_FORMATS, Photo
from photos.pictures import (
    DEEP_MODES,
    MAX_PIXELS,
    Undecodable,
    decode,
    format_family,
    has_alpha,
    icc_profile,
    most_pixels,
    opened,
    tiles,
)
from photos.sniffing import kind_of

_MODES = {"1", "L", "P", "RGB", "RGBA", "RGBX", "RGBa", "LA", "La", "PA", "CMYK", "YCbCr", *DEEP_MODES}
_READABLE = {"a JPEG", "a PNG", "a BMP", "a WebP", "a GIF", "a TIFF", "an AVIF"}
_TAKEN = "JPEG, PNG, BMP, WebP, GIF, TIFF and AVIF"


@contextmanager
def source(data: bytes, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Give a source photo with its header read and its pixels not yet decoded.

    Args:
        data: The file.
        max_pixels: More than this is refused, and a half to a fifth of it for formats that need more memory.

    Raises:
        SourceRefused: As `fit` does, also for what goes wrong while the photo is in use.
    """
    if not data:
        raise SourceRefused("empty_file", "The file is empty.")
    try:
        with opened(data, ARTIFACT_FORMATS) as image:
            _check(image, max_pixels)
            yield image
    except Undecodable as error:
        raise _refusal(error, data) from error


def load(image: Image.Image, data: bytes, shrink: float = 1) -> None:
    """Decode the pixels of an opened source.

    Args:
        image: What `source` gave.
        data: The file.
        shrink: How much smaller the result may be; JPEGs are then decoded at 1/2, 1/4 or 1/8.

    Raises:
        Undecodable: The pixels are broken; `source` turns it into a refusal.
    """
    decode(image, data, shrink)


def check_pixels(image: Image.Image, data: bytes) -> Image.Image | None:
    """Decode all of an opened source to see that it is whole; return its tiles if it is a JPEG."""
    if format_family(image) == "JPEG":
        return tiles(image, data, is_exact=False)
    decode(image, data)
    return None


def describe(image: Image.Image, data: bytes) -> Photo:
    """Return what a photo is; for PNG, whose tags may come last, after decoding.

    Args:
        image: What `source` gave.
        data: The file.
    """
    format_name = format_family(image)
    return Photo(
        width=image.width,
        height=image.height,
        format=format_name,
        mode=image.mode,
        animated=format_name in {"PNG", "WEBP", "AVIF"} and getattr(image, "n_frames", 1) > 1,
        has_alpha=has_alpha(image) and image.mode not in DEEP_MODES,
        icc=icc_profile(image),
        exif_orientation=orientation_of(image),
        depth=depth_of(data, format_name),
        frames=frames_in(data, format_name),
    )


def _check(image: Image.Image, max_pixels: int) -> None:
    format_name = format_family(image)
    limit = most_pixels(image, max_pixels)
    size = f"{image.width}×{image.height} pixels"
    if image.width * image.height > limit:
        raise SourceRefused("bomb", f"The file unpacks to {size}, more than {limit:,} in all; it was not decoded.")
    if image.mode not in _MODES:
        raise SourceRefused(
            "mode_unsupported", f"The {format_name} has {image.mode} pixels; save it as RGB with 8 bits a channel."
        )


def _refusal(error: Undecodable, data: bytes) -> SourceRefused:
    if error.is_truncated:
        return SourceRefused("truncated", "The photo is cut off: its file ends too early. Upload it again.")
    kind = kind_of(data)
    if kind is None:
        return SourceRefused("not_an_image", f"The file is not a picture: none of {_TAKEN}.")
    if kind.name in _READABLE:
        return SourceRefused("corrupt", f"The file starts like {kind.name} but cannot be decoded: {error}.")
    if kind.is_picture:
        return SourceRefused("format_unsupported", f"The file is {kind.name}; photos can be {_TAKEN}.")
    return SourceRefused("not_an_image", f"The file is {kind.name}, not a picture.")
