"""Masks, photos and pictures as files that are typed: read, drawn over, written."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from PIL import Image

from core.errors import UsageError
from core.regular import read_regular
from photos.orientation import TURNS, orientation_of, seen_size
from photos.photo import ARTIFACT_FORMATS
from photos.pictures import Undecodable, decode, encoded, flattened, opened
from photos.source import MAX_SOURCE_BYTES
from removal.mask import MAX_CHARACTERS, Mask, Order, check_size, mask_from_boxes, read_box, read_mask

_TINT = "red"
_TINT_STRENGTH = 0.6


def read_typed(
    rle: tuple[str, ...],
    file: Path | None,
    png: Path | None,
    boxes: tuple[str, ...],
    width: int,
    height: int,
    order: Order,
    origin: int,
) -> Mask:
    """Return the mask that was typed in one of the ways there are.

    Args:
        rle: Run lengths, or - for stdin.
        file: Holds run lengths; - is stdin.
        png: A drawn mask.
        boxes: `x,y,w,h` each.
        width: Of the photo, pixels, as it is seen.
        height: Of the photo, pixels, as it is seen.
        order: Whether run lengths count pixels along rows or down columns.
        origin: The number of the first pixel in those.

    Raises:
        UsageError: It is given in no way or in several, or cannot be used.
    """
    if sum((bool(rle), file is not None, png is not None, bool(boxes))) != 1:
        raise UsageError("Give the mask in exactly one way; see --help.")
    if boxes:
        return mask_from_boxes((read_box(box) for box in boxes), width, height)
    if png is not None:
        found = drawn_mask(png)
        found.require_size(width, height)
        return found
    text = _text_of(file or Path("-")) if file is not None or rle == ("-",) else " ".join(rle)
    return read_mask(text, width, height, order=order, origin=origin)


def _text_of(file: Path) -> str:
    is_stdin = str(file) == "-"
    try:
        with nullcontext(sys.stdin) if is_stdin else file.open(encoding="utf-8-sig") as stream:
            return stream.read(MAX_CHARACTERS + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        where = "What stdin gives" if is_stdin else str(file)
        raise UsageError(f"{where} is no text of run lengths; a drawn mask is given with --png.") from error


def read_size(size: str | None, photo: Path | None) -> tuple[int, int]:
    """Return the width and height of the photo as it is seen, as typed or from its file.

    Raises:
        UsageError: Neither is given, or both, or it cannot be read.
    """
    if photo is not None and size is None:
        with _opened(photo, ARTIFACT_FORMATS) as (image, _):
            return seen_size(*image.size, orientation_of(image))
    if size is None or photo is not None:
        raise UsageError("Say how large the photo is, with either --size WxH or --photo FILE.")
    width, _, height = size.lower().replace("×", "x").partition("x")
    if not all(side.isascii() and side.isdigit() and len(side) < 10 for side in (width, height)):
        raise UsageError(f"--size {size[:40]!a} is no size: write width x height in pixels, such as 800x600.")
    return int(width), int(height)


def not_empty(found: Mask) -> Mask:
    """Return the mask.

    Raises:
        UsageError: There is nothing to erase in it.
    """
    if not found.runs:
        raise UsageError("The mask is empty: there is nothing to erase in it.")
    return found


@contextmanager
def _opened(path: Path, formats: tuple[str, ...]) -> Iterator[tuple[Image.Image, bytes]]:
    try:
        data = read_regular(path, MAX_SOURCE_BYTES)
        with opened(data, formats) as image:
            check_size(*image.size)
            yield image, data
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except Undecodable as error:
        raise UsageError(f"{path} cannot be read as {', '.join(formats)}: {error}.") from error


def drawn_mask(png: Path) -> Mask:
    """Return the mask that a PNG shows.

    Raises:
        UsageError: It cannot be read, or is no mask.
    """
    with _opened(png, ("PNG",)) as (image, data):
        decode(image, data)
        return Mask.from_image(image)


def upright(photo: Path) -> Image.Image:
    """Return the photo as it is seen, in RGB.

    Raises:
        UsageError: It cannot be read.
    """
    with _opened(photo, ARTIFACT_FORMATS) as (image, data):
        turn = TURNS.get(orientation_of(image))
        decode(image, data)
        plain = flattened(image)
    return plain if turn is None else plain.transpose(turn)


def tinted(photo: Image.Image, found: Mask) -> Image.Image:
    """Return the photo with the area to erase tinted."""
    tint = Image.blend(photo, Image.new("RGB", photo.size, _TINT), _TINT_STRENGTH)
    return Image.composite(tint, photo, found.to_image())


def check_target(out: Path, *inputs: Path | None) -> None:
    """Refuse to write where a picture would lose its edges, or a file that is read would be lost.

    Raises:
        UsageError: `out` is no PNG, or one of the inputs.
    """
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out} must be a .png: other formats would blur the edges.")
    if any(given is not None and given.resolve() == out.resolve() for given in inputs):
        raise UsageError(f"--out {out} is one of the files to be read; name another, so that it is not overwritten.")


def save(image: Image.Image, out: Path) -> None:
    """Write a picture as a PNG.

    Raises:
        UsageError: It cannot be written there.
    """
    try:
        out.write_bytes(encoded(image, "PNG"))
    except OSError as error:
        raise UsageError(f"Cannot write {out}: {error.strerror}.") from error
