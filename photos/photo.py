"""What a photo is, and the strict checks of one that is sent as it is."""

from dataclasses import dataclass, field

from PIL import Image

from core.errors import SourceRefused
from photos.contents import depth_of, frames_in
from photos.orientation import orientation_of
from photos.pictures import (
    ALPHA_MODES,
    Undecodable,
    decode,
    format_family,
    has_alpha,
    icc_profile,
    opened,
)
from photos.sniffing import kind_of
from removal.bounds import FORMATS, Bounds

MAX_PIXELS = 50_000_000
ARTIFACT_FORMATS = (*FORMATS, "WEBP", "GIF", "TIFF", "AVIF")
"""Pillow's names of what a source, and so an artifact, can be."""

ANY_PHOTO = Bounds()
_PLAIN_MODES = {"1", "L", "P", "RGB", *ALPHA_MODES}
_CHECK_SHRINK = 8


@dataclass(frozen=True, slots=True)
class Photo:
    """What a source photo is.

    Args:
        width: Pixels, as stored (before any EXIF turn).
        height: Pixels, as stored.
        format: `JPEG`, `PNG` or `BMP`.
        mode: Pillow's name of the pixel layout.
        animated: Whether there is more than one frame.
        has_alpha: Whether there can be transparency.
        icc: The embedded colour profile.
        exif_orientation: 1 (upright) to 8.
        depth: Bits a channel.
        frames: Pictures in the file, of which the first counts.
    """

    width: int
    height: int
    format: str
    mode: str
    animated: bool
    has_alpha: bool
    icc: bytes | None = field(repr=False)
    exif_orientation: int
    depth: int = 8
    frames: int = 1


def inspect(data: bytes, bounds: Bounds = ANY_PHOTO, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Check a photo against the provider's bounds, decode all of it, and return what it is.

    Args:
        data: The file.
        bounds: The provider's; those of the removal API unless given.
        max_pixels: More than this is taken for a decompression bomb.

    Raises:
        SourceRefused: `empty_file`, `too_many_bytes`, `not_an_image`, `format_unsupported`, `bomb`, `too_small`,
            `too_large_sides`, `animated`, `mode_unsupported`, `truncated` or `corrupt`.
    """
    if not data:
        raise SourceRefused("empty_file", "The file is empty.")
    if len(data) > bounds.max_bytes:
        raise SourceRefused(
            "too_many_bytes", f"The file has {len(data):,} bytes; the API takes {bounds.max_bytes:,}. Make it smaller."
        )
    try:
        with opened(data, bounds.formats) as image:
            photo = _describe(image, data)
            _check_bounds(photo, bounds, max_pixels)
            decode(image, data, shrink=_CHECK_SHRINK)
    except Undecodable as error:
        raise _refusal(error, data, bounds) from error
    return photo


def _describe(image: Image.Image, data: bytes) -> Photo:
    return Photo(
        width=image.width,
        height=image.height,
        format=format_family(image),
        mode=image.mode,
        animated=image.format == "PNG" and getattr(image, "n_frames", 1) > 1,
        has_alpha=has_alpha(image),
        icc=icc_profile(image),
        exif_orientation=orientation_of(image),
        depth=depth_of(data, format_family(image)),
        frames=frames_in(data, format_family(image)),
    )


def _check_bounds(photo: Photo, bounds: Bounds, max_pixels: int) -> None:
    size = f"{photo.width}×{photo.height} pixels"
    if photo.width * photo.height > max_pixels:
        raise SourceRefused("bomb", f"The file unpacks to {size}, more than {max_pixels:,} in all; it was not decoded.")
    if min(photo.width, photo.height) < bounds.min_side:
        raise SourceRefused("too_small", f"The photo is {size}; the API takes no side under {bounds.min_side}.")
    if max(photo.width, photo.height) > bounds.max_side:
        raise SourceRefused("too_large_sides", f"The photo is {size}; the API takes no side over {bounds.max_side}.")
    if photo.animated:
        raise SourceRefused("animated", "The PNG is animated; the API works on single pictures.")
    if photo.mode not in _PLAIN_MODES:
        raise SourceRefused(
            "mode_unsupported", f"The {photo.format} has {photo.mode} pixels; save it as RGB with 8 bits a channel."
        )


def _refusal(error: Undecodable, data: bytes, bounds: Bounds) -> SourceRefused:
    if error.is_truncated:
        return SourceRefused("truncated", "The photo is cut off: its file ends too early. Upload it again.")
    kind = kind_of(data)
    if kind is None:
        return SourceRefused("not_an_image", f"The file is not a picture: none of {bounds.formats_in_words}.")
    if kind.name.split()[-1].upper() in bounds.formats:
        return SourceRefused("corrupt", f"The file starts like {kind.name} but cannot be decoded: {error}.")
    if kind.is_picture:
        return SourceRefused("format_unsupported", f"The file is {kind.name}; the API takes {bounds.formats_in_words}.")
    return SourceRefused("not_an_image", f"The file is {kind.name}, not a picture.")
