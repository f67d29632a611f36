"""Looking at photos: strict checks before the call, comparison after it, and the two re-encodings it takes."""

from dataclasses import dataclass, field

from PIL import Image, ImageChops

from core.errors import OutputError, SourceRefused
from removal.contract import FORMATS, MAX_BYTES, MAX_SIDE, MIN_SIDE
from worker.orientation import TURNS, exif_orientation
from worker.pictures import (
    ALPHA_MODES,
    Undecodable,
    decode,
    encoded,
    flattened,
    format_family,
    has_alpha,
    icc_profile,
    opened,
    reduced,
)
from worker.sniffing import kind_of

MAX_PIXELS = 50_000_000
COMPARE_SIDE = 256
CHANGED_LEVELS = 12
"""How far a pixel must differ, of 255 levels of brightness; at this scale re-encoding as JPEG stays below it."""

_OUTPUT_FORMATS = (*FORMATS, "WEBP")
_PLAIN_MODES = {"1", "L", "P", "RGB", *ALPHA_MODES}
_CHECK_SHRINK = 8
_JPEG_START = b"\xff\xd8\xff"
_JPEG_QUALITY = 95
_THUMBNAIL_QUALITY = 85


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
    """

    width: int
    height: int
    format: str
    mode: str
    animated: bool
    has_alpha: bool
    icc: bytes | None = field(repr=False)
    exif_orientation: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """How an output relates to what was sent.

    Args:
        width: Of the output, pixels; the same as sent.
        height: Of the output, pixels; the same as sent.
        format: Of the output, Pillow's name.
        changed_ratio: Share of pixels that differ visibly, 0 to 1.
    """

    width: int
    height: int
    format: str
    changed_ratio: float


def inspect(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Photo:
    """Check a photo against the API's bounds, decode all of it, and return what it is.

    Args:
        data: The file.
        max_bytes: The largest file taken.
        max_pixels: More than this is taken for a decompression bomb.

    Raises:
        SourceRefused: `empty_file`, `too_many_bytes`, `not_an_image`, `format_unsupported`, `bomb`, `too_small`,
            `too_large_sides`, `animated`, `mode_unsupported`, `truncated` or `corrupt`.
    """
    if not data:
        raise SourceRefused("empty_file", "The file is empty.")
    if len(data) > max_bytes:
        raise SourceRefused(
            "too_many_bytes", f"The file has {len(data):,} bytes; the API takes {max_bytes:,}. Make it smaller."
        )
    try:
        with opened(data, FORMATS) as image:
            photo = _describe(image)
            _check_bounds(photo, max_pixels)
            decode(image, data, shrink=_CHECK_SHRINK)
    except Undecodable as error:
        raise _refusal(error, data) from error
    return photo


def compare(sent: bytes, output: bytes) -> Comparison:
    """Compare an output with the photo it was made from.

    Both are first brought to at most 256 pixels a side, where the noise of re-encoding averages out.

    Args:
        sent: The photo that was sent, already checked by `inspect`.
        output: What came back.

    Raises:
        OutputError: `output_empty`, `output_not_image`, `output_truncated` or `output_size`.
        SourceRefused: The sent photo itself cannot be decoded.
    """
    if not output:
        raise OutputError("output_empty", "The output's URL gave an empty file.")
    try:
        is_exact = not all(data.startswith(_JPEG_START) for data in (sent, output))
        with opened(sent, FORMATS) as image:
            width, height = image.size
            before = reduced(image, sent, COMPARE_SIDE, is_exact=is_exact)
    except Undecodable as error:
        raise _refusal(error, sent) from error
    try:
        with opened(output, _OUTPUT_FORMATS) as image:
            if image.size != (width, height):
                raise OutputError(
                    "output_size",
                    f"The output is {image.width}×{image.height} pixels, the photo sent was {width}×{height}.",
                )
            after = reduced(image, output, COMPARE_SIDE, is_exact=is_exact)
            return Comparison(width, height, format_family(image), _changed_ratio(before, after))
    except Undecodable as error:
        raise _bad_output(error, output) from error


def thumbnail(data: bytes, side: int = 320) -> bytes:
    """Return a small upright JPEG of a photo.

    Args:
        data: A photo or an output.
        side: The longer side's length in pixels, at most.

    Raises:
        OutputError: It is no picture.
    """
    try:
        with opened(data, _OUTPUT_FORMATS) as image:
            _check_output_bounds(image)
            turn = TURNS.get(exif_orientation(image.info.get("exif")))
            small = reduced(image, data, side)
            upright = small if turn is None else small.transpose(turn)
            return encoded(upright, "JPEG", quality=_THUMBNAIL_QUALITY)
    except Undecodable as error:
        raise _bad_output(error, data) from error


def as_format(data: bytes, format_name: str) -> bytes:
    """Return a picture re-encoded in another format, with its colour profile.

    Args:
        data: The picture.
        format_name: `JPEG` (quality 95, full colour resolution; what is transparent becomes white), `PNG` or `BMP`.

    Raises:
        OutputError: It is no picture.
    """
    try:
        with opened(data, _OUTPUT_FORMATS) as image:
            _check_output_bounds(image)
            icc = icc_profile(image)
            decode(image, data)
            if format_name == "PNG":
                return encoded(image if image.mode in _PLAIN_MODES else image.convert("RGB"), "PNG", icc_profile=icc)
            if format_name == "JPEG":
                flat = flattened(image)
                return encoded(flat, "JPEG", quality=_JPEG_QUALITY, subsampling=0, icc_profile=icc)
            return encoded(flattened(image), format_name)
    except Undecodable as error:
        raise _bad_output(error, data) from error


def _describe(image: Image.Image) -> Photo:
    return Photo(
        width=image.width,
        height=image.height,
        format=format_family(image),
        mode=image.mode,
        animated=image.format == "PNG" and getattr(image, "n_frames", 1) > 1,
        has_alpha=has_alpha(image),
        icc=icc_profile(image),
        exif_orientation=exif_orientation(image.info.get("exif")),
    )


def _check_bounds(photo: Photo, max_pixels: int) -> None:
    size = f"{photo.width}×{photo.height} pixels"
    if photo.width * photo.height > max_pixels:
        raise SourceRefused("bomb", f"The file unpacks to {size}, more than {max_pixels:,} in all; it was not decoded.")
    if min(photo.width, photo.height) < MIN_SIDE:
        raise SourceRefused("too_small", f"The photo is {size}; the API takes no side under {MIN_SIDE}.")
    if max(photo.width, photo.height) > MAX_SIDE:
        raise SourceRefused("too_large_sides", f"The photo is {size}; the API takes no side over {MAX_SIDE}.")
    if photo.animated:
        raise SourceRefused("animated", "The PNG is animated; the API works on single pictures.")
    if photo.mode not in _PLAIN_MODES:
        raise SourceRefused(
            "mode_unsupported", f"The {photo.format} has {photo.mode} pixels; save it as RGB with 8 bits a channel."
        )


def _check_output_bounds(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise OutputError("output_size", f"The picture unpacks to {image.width}×{image.height} pixels; not decoded.")


def _changed_ratio(before: Image.Image, after: Image.Image) -> float:
    # Weighing channels by brightness keeps out JPEG's colour noise, which is the larger part of it.
    histogram = ImageChops.difference(before, after).convert("L").histogram()
    return sum(histogram[CHANGED_LEVELS:]) / sum(histogram)


def _refusal(error: Undecodable, data: bytes) -> SourceRefused:
    if error.is_truncated:
        return SourceRefused("truncated", "The photo is cut off: its file ends too early. Upload it again.")
    kind = kind_of(data)
    if kind is None:
        return SourceRefused("not_an_image", "The file is not a picture: none of JPEG, PNG and BMP.")
    if kind.is_ours:
        return SourceRefused("corrupt", f"The file starts like {kind.name} but cannot be decoded: {error}.")
    if kind.is_picture:
        return SourceRefused("format_unsupported", f"The file is {kind.name}; the API takes JPEG, PNG and BMP.")
    return SourceRefused("not_an_image", f"The file is {kind.name}, not a picture.")


def _bad_output(error: Undecodable, data: bytes) -> OutputError:
    if error.is_truncated:
        return OutputError("output_truncated", "The output is cut off: its file ends too early.")
    kind = kind_of(data)
    return OutputError("output_not_image", f"The output is {kind.name if kind else 'no picture'}: {error}.")
