"""How a job says what to erase, before anybody knows how large its photo is.

Run lengths as the API reads them, `start length …`; those of one size of photo, `500x500: start length …`, which always
count along rows from 0; or boxes, `box x,y,w,h x,y,w,h …`.
"""

import io
import re
from collections.abc import Iterable

from PIL import Image

from core.errors import SourceRefused, UsageError
from removal.mask.area import Mask
from removal.mask.boxes import Box, mask_from_boxes, read_box
from removal.mask.reading import MAX_CHARACTERS, read_mask
from removal.mask.runs import MAX_RUNS, Order, check_size

PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_BOXES = 1000

_BOX = "box"
_SIZED = re.compile(r"([0-9]{1,9})x([0-9]{1,9}):\s*", re.ASCII)
_BOX_LINE = re.compile(r"\s*[0-9]+\s*,\s*[0-9]+\s*,\s*[0-9]+\s*,\s*[0-9]+\s*", re.ASCII)


def ask_for_boxes(boxes: Iterable[Box]) -> str:
    """Return the text that asks for everything inside any of the boxes."""
    return " ".join([_BOX, *(",".join(map(str, box)) for box in boxes)])


def ask_for_drawn(png: bytes) -> str:
    """Return the text that asks for what somebody drew, on photos of just that size.

    Args:
        png: The file.

    Raises:
        UsageError: It cannot be read as a PNG, is too large, or nothing is drawn in it.
    """
    try:
        image = Image.open(io.BytesIO(png), formats=("PNG",))
    except Exception as error:  # broken files make Pillow raise nearly anything
        raise UsageError("the mask cannot be read as a PNG.") from error
    with image:
        check_size(*image.size)
        try:
            image.load()
        except Exception as error:  # as above
            raise UsageError(f"the mask cannot be read as a PNG: {error}.") from error
        mask = Mask.from_image(image)
    if not mask.runs:
        raise UsageError("the mask is empty: there is nothing to erase in it.")
    return f"{mask.width}x{mask.height}: {mask.to_rle()}"


def check_asked(text: str) -> str:
    """Return what somebody wrote in one of the three ways, with single spaces.

    Raises:
        UsageError: It is none of them, is empty, or has numbers that are boxes as well as run lengths.
    """
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"the mask has more than {MAX_CHARACTERS:,} characters, which is the most.")
    text = text.removeprefix("\ufeff").strip()
    if text.startswith(_BOX):
        return ask_for_boxes(_boxes(text))
    if any(_BOX_LINE.fullmatch(line) for line in text.splitlines()):
        raise UsageError(
            "four numbers parted by commas look like a box, x,y,w,h. Write boxes as boxes (--box, or `boxes` in JSON "
            "lines), and run lengths with spaces, `start length start length …`."
        )
    size = _SIZED.match(text)
    words = text[size.end() if size else 0 :].replace(",", " ").split()
    if not words:
        raise UsageError("the mask is empty: there is nothing to erase in it.")
    if not all(word.isascii() and word.isdigit() for word in words) or len(words) % 2:
        raise UsageError(
            "these are no run lengths: pairs of numbers, `start length start length …`. `cleanplate mask encode` makes "
            "them."
        )
    if len(words) > 2 * MAX_RUNS:
        raise UsageError(f"the mask has more than {MAX_RUNS:,} runs, which is the most.")
    return (f"{size[1]}x{size[2]}: " if size else "") + " ".join(words)


def read_asked(text: str, width: int, height: int, *, order: Order, origin: int) -> Mask:
    """Return the mask of a photo, now that its size is known.

    Args:
        text: What `check_asked` returned.
        width: Of the photo, pixels, as it is seen.
        height: Of the photo, pixels, as it is seen.
        order: Whether run lengths without a size count pixels along rows or down columns.
        origin: The number of the first pixel in those.

    Raises:
        UsageError: It was drawn for another size, or does not lie within the photo.
    """
    if text.startswith(_BOX):
        return mask_from_boxes(_boxes(text), width, height)
    size = _SIZED.match(text)
    if size is None:
        return read_mask(text, width, height, order=order, origin=origin)
    mask = read_mask(text[size.end() :], int(size[1]), int(size[2]))
    mask.require_size(width, height)
    return mask


def read_for_photo(text: str, width: int, height: int, *, order: Order, origin: int) -> Mask:
    """Return what a job asks to erase of its photo.

    Args:
        text: What `check_asked` returned.
        width: Of the photo, pixels, as it is seen.
        height: Of the photo, pixels, as it is seen.
        order: Whether run lengths without a size count pixels along rows or down columns.
        origin: The number of the first pixel in those.

    Raises:
        SourceRefused: `mask_unusable`: it is made for another photo, or there is nothing in it.
    """
    try:
        mask = read_asked(text, width, height, order=order, origin=origin)
    except UsageError as error:
        raise SourceRefused(
            "mask_unusable", f"{error} Make the mask for this photo, {width}×{height} pixels as it is seen."
        ) from error
    if not mask.runs:
        raise SourceRefused("mask_unusable", "The mask is empty: there is nothing to erase in it.")
    return mask


def _boxes(text: str) -> list[Box]:
    words = text.removeprefix(_BOX).split()
    if not 0 < len(words) <= MAX_BOXES:
        raise UsageError(f"1 to {MAX_BOXES:,} boxes can be given, not {len(words):,}.")
    return [read_box(word) for word in words]
