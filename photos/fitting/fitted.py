"""Making any product photo acceptable to the removal API."""

from dataclasses import dataclass, field, replace

from PIL import Image

from photos.fitting.colours import Colours, background_for
from photos.fitting.encoding import encode_within
from photos.fitting.original import check_pixels, describe, load, source
from photos.fitting.plan import Plan
from photos.fitting.rendering import rendered
from photos.memory import MEMORY
from photos.orientation import UPRIGHT, orientation_of, seen_size
from photos.photo import Photo
from photos.pictures import MAX_PIXELS
from removal.bounds import Bounds

_SENT_MODES = {"RGB", "L"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """What to send for a photo.

    Args:
        sent: The file; the photo's own bytes when it was acceptable as it is.
        sent_format: Pillow's name.
        sent_size: Pixels.
        plan: How to put the answer back.
        photo: What the source is.
        tiles: The mean colours of the tiles of a JPEG that is sent as it is: checking it gave them.
    """

    sent: bytes = field(repr=False)
    sent_format: str
    sent_size: tuple[int, int]
    plan: Plan
    photo: Photo
    tiles: Image.Image | None = field(default=None, repr=False)


def fit(data: bytes, bounds: Bounds | None = None, *, max_pixels: int = MAX_PIXELS, is_plain: bool = False) -> Fitted:
    """Return what to send for a photo, always within the provider's bounds.

    Args:
        data: The photo's file: JPEG, PNG, BMP, WebP, GIF, TIFF or AVIF. Of several frames or pages the first counts.
        bounds: The provider's; those of the removal API unless given.
        max_pixels: Larger photos are refused as decompression bombs; a half of it for TIFF, a third for WebP, a
            fifth for AVIF.
        is_plain: Re-encode the photo even when it is acceptable, because the API could not read it.

    Raises:
        SourceRefused: `empty_file`, `not_an_image`, `format_unsupported`, `bomb`, `mode_unsupported`, `truncated`,
            `corrupt` or `too_many_bytes`.
    """
    bounds = bounds or Bounds()
    with source(data, max_pixels) as image:
        photo = describe(image, data)
        if not is_plain and is_acceptable(photo, len(data), bounds):
            seen = check_pixels(image, data)
            if orientation_of(image) == UPRIGHT:
                return replace(as_it_is(data, photo), tiles=seen)
    with MEMORY.hold_pixels(photo.width * photo.height), source(data, max_pixels) as image:
        return _fitted(image, data, bounds, is_plain=is_plain)


def is_acceptable(photo: Photo, size_bytes: int, bounds: Bounds) -> bool:
    """Return whether a photo would be sent as it is, as far as its header tells."""
    return (
        photo.format in bounds.formats
        and bounds.admit(photo.width, photo.height)
        and size_bytes <= bounds.max_bytes
        and photo.mode in _SENT_MODES
        and not photo.has_alpha
        and not photo.animated
        and photo.exif_orientation == UPRIGHT
    )


def as_it_is(data: bytes, photo: Photo) -> Fitted:
    """Return a photo that is sent as it is, and whose output is taken as it is stored.

    Args:
        data: The photo's file.
        photo: What it is.
    """
    size = (photo.width, photo.height)
    plan = Plan(
        source_format=photo.format,
        source_size=size,
        source_mode=photo.mode,
        orientation=UPRIGHT,
        background=None,
        has_profile=photo.icc is not None,
        is_unchanged=True,
        sent_format=photo.format,
        sent_size=size,
        quality=None,
        photo_box=(0, 0, *size),
    )
    return Fitted(data, photo.format, size, plan, photo)


def _fitted(image: Image.Image, data: bytes, bounds: Bounds, *, is_plain: bool) -> Fitted:
    stored = image.size
    small = bounds.scaled(*stored)
    load(image, data, min(stored[0] / small[0], stored[1] / small[1]))
    photo = describe(image, data)
    turned = seen_size(*small, photo.exif_orientation)
    sent_size = bounds.padded(*turned)
    background = background_for(image) if photo.has_alpha else None
    plan = Plan(
        source_format=photo.format,
        source_size=stored,
        source_mode=photo.mode,
        orientation=photo.exif_orientation,
        background=background,
        has_profile=photo.icc is not None,
        is_unchanged=False,
        sent_format="",
        sent_size=sent_size,
        quality=None,
        photo_box=((sent_size[0] - turned[0]) // 2, (sent_size[1] - turned[1]) // 2, *turned),
    )
    picture = rendered(image, plan, Colours(photo.mode, photo.icc, background))
    sent, sent_format, quality = encode_within(picture, photo.format, bounds, is_plain=is_plain)
    plan = replace(plan, sent_format=sent_format, quality=quality)
    photo = replace(photo, width=stored[0], height=stored[1])
    return Fitted(sent, sent_format, sent_size, plan, photo)
