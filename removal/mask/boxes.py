"""Boxes to erase, `x,y,w,h`."""

import re
from collections.abc import Iterable

from PIL import Image

from core.errors import UsageError
from removal.mask.area import Mask
from removal.mask.runs import INSIDE, OUTSIDE, check_size

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels; 0,0 is the photo's upper left corner."""

_BOX = re.compile(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", re.ASCII)


def read_box(text: str) -> Box:
    """Return the box of `x,y,w,h`.

    Raises:
        UsageError: It is not four whole numbers of pixels, parted by commas.
    """
    match = _BOX.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text[:40]!a} is no box: write x,y,w,h in whole pixels from the upper left corner, such as 10,20,300,80."
        )
    left, top, width, height = (int(number) for number in match.groups())
    return left, top, width, height


def mask_from_boxes(boxes: Iterable[Box], width: int, height: int) -> Mask:
    """Return the mask of everything inside any of the boxes.

    Args:
        boxes: Left, top, width and height of each, in pixels.
        width: Of the photo, pixels.
        height: Of the photo, pixels.

    Raises:
        UsageError: A box has no area or is not wholly within the photo. None is cut to fit: a box that sticks out
            was most likely measured on another photo.
    """
    check_size(width, height)
    picture = Image.new("L", (width, height), OUTSIDE)
    for left, top, box_width, box_height in boxes:
        named = f"The box {left},{top},{box_width},{box_height}"
        if min(box_width, box_height) < 1:
            raise UsageError(f"{named} has no area; its width and height must be 1 or more.")
        right, bottom = left + box_width, top + box_height
        if min(left, top) < 0 or right > width or bottom > height:
            raise UsageError(f"{named} reaches to {right},{bottom}, outside the photo of {width}×{height} pixels.")
        picture.paste(INSIDE, (left, top, right, bottom))
    return Mask.from_image(picture)
