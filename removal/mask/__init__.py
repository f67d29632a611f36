"""Areas to erase: run lengths as the removal API reads them, from text, boxes or a drawn mask.

`Mask` is the value every other form goes through. Text is `start length start length …`; which way its pixels are
counted (along rows or down columns) and from which number (0 or 1) is not stated by the API's reference, so both are
parameters, by default along rows from 0.
"""

from removal.mask.area import Mask
from removal.mask.asked import PNG_START, ask_for_boxes, ask_for_drawn, check_asked, read_asked, read_for_photo
from removal.mask.boxes import Box, mask_from_boxes, read_box
from removal.mask.reading import MAX_CHARACTERS, read_mask
from removal.mask.runs import MAX_PIXELS, MAX_RUNS, Order, Run, check_size

__all__ = [
    "MAX_CHARACTERS",
    "MAX_PIXELS",
    "MAX_RUNS",
    "PNG_START",
    "Box",
    "Mask",
    "Order",
    "Run",
    "ask_for_boxes",
    "ask_for_drawn",
    "check_asked",
    "check_size",
    "mask_from_boxes",
    "read_asked",
    "read_box",
    "read_for_photo",
    "read_mask",
]
