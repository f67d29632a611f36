"""Masks as pictures and boxes."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from core.errors import UsageError
from removal.mask import MAX_RUNS, Box, Mask, mask_from_boxes, read_box, read_mask
from tests.removal.mask.pixels import masks, pixels_of

T = TypeVar("T")


@given(masks())
def test_a_mask_survives_its_picture(mask: Mask) -> None:
    image = mask.to_image()
    assert image.mode == "1"
    assert Mask.from_image(image) == mask
    assert mask.area == len(pixels_of(mask))


@given(masks())
def test_the_bounding_box_is_tight(mask: Mask) -> None:
    covered = pixels_of(mask)
    if not covered:
        assert mask.bounding_box is None
        return
    left, top = min(x for x, _ in covered), min(y for _, y in covered)
    right, bottom = max(x for x, _ in covered), max(y for _, y in covered)
    assert mask.bounding_box == (left, top, right - left + 1, bottom - top + 1)


def test_area_and_share() -> None:
    mask = Mask(10, 10, ((0, 5), (3, 4), (95, 5)))
    assert mask.runs == ((0, 7), (95, 5))
    assert (mask.area, mask.share) == (12, 0.12)


def test_runs_that_touch_across_rows_are_one() -> None:
    assert Mask(10, 10, ((0, 10), (10, 10))).runs == ((0, 20),)


@pytest.mark.parametrize("run", [(-1, 2), (3, 0), (3, -1), (99, 2), (100, 1)])
def test_a_run_outside_the_photo_is_refused(run: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="not within 10×10"):
        Mask(10, 10, (run,))


def _single(mode: str, background: int | float | tuple[int, ...], drawn: int | float | tuple[int, ...]) -> Image.Image:
    image = Image.new(mode, (9, 6), background)
    image.putpixel((4, 2), drawn)
    return image


def _palette(*, transparent: bool) -> Image.Image:
    image = Image.new("P", (9, 6), 0)
    image.putpalette([0, 0, 0, 0, 0, 90])
    image.putpixel((4, 2), 1)
    if transparent:
        image.putpalette([255, 255, 255, 0, 0, 0])
        image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    "image",
    [
        _single("1", 0, 255),
        _single("L", 0, 255),
        _single("L", 0, 1),
        _single("RGB", (0, 0, 0), (0, 0, 1)),
        _single("RGBA", (0, 0, 0, 255), (9, 0, 0, 255)),
        _single("RGBA", (255, 255, 255, 0), (0, 0, 0, 255)),
        _single("RGBA", (255, 255, 255, 0), (255, 255, 255, 1)),
        _single("LA", (255, 0), (0, 200)),
        _single("La", (0, 0), (0, 200)),
        _single("I;16", 0, 1),
        _single("I;16", 0, 65535),
        _single("I", 0, 65535),
        _single("F", 0.0, 255.0),
        _single("YCbCr", (0, 128, 128), (255, 128, 128)),
        _palette(transparent=False),
        _palette(transparent=True),
    ],
    ids=lambda image: image.mode,
)
def test_what_counts_as_drawn(image: Image.Image) -> None:
    assert Mask.from_image(image).to_rle() == "22 1"


def test_a_fully_transparent_picture_is_an_empty_mask() -> None:
    assert Mask.from_image(Image.new("RGBA", (9, 6), (255, 255, 255, 0))).area == 0


def test_noise_is_refused_whichever_way_it_is_counted() -> None:
    stripes = Image.new("1", (1200, 1200))
    draw = ImageDraw.Draw(stripes)
    for y in range(0, 1200, 2):
        draw.line((0, y, 1200, y), fill=255)
    mask = Mask.from_image(stripes)
    assert len(mask.runs) == 600
    with pytest.raises(UsageError, match="dithered or noisy"):
        mask.to_rle("column")
    with pytest.raises(UsageError, match="dithered or noisy"):
        Mask.from_image(stripes.rotate(90))
    with pytest.raises(UsageError, match="dithered or noisy"):
        Mask(1200, 1200, tuple((start, 1) for start in range(0, 2 * MAX_RUNS + 2, 2)))


def test_another_size_is_refused_and_both_are_named() -> None:
    mask = Mask(9, 6, ())
    mask.require_size(9, 6)
    with pytest.raises(UsageError, match=r"9×6.*6×9"):
        mask.require_size(6, 9)


def test_boxes_are_drawn_together() -> None:
    mask = mask_from_boxes([(0, 0, 2, 2), (1, 1, 3, 1), (9, 5, 1, 1)], 10, 6)
    assert mask.to_rle() == "0 2 10 4 59 1"


boxes = st.builds(
    lambda x, y, w, h: (x, y, min(w, 20 - x), min(h, 15 - y)),
    *(st.integers(0, 19), st.integers(0, 14), st.integers(1, 20), st.integers(1, 15)),
)


@given(st.lists(boxes, max_size=4))
def test_a_box_covers_the_pixels_in_it(given_boxes: list[Box]) -> None:
    inside = {(x, y) for left, top, w, h in given_boxes for x in range(left, left + w) for y in range(top, top + h)}
    assert pixels_of(mask_from_boxes(given_boxes, 20, 15)) == inside


@pytest.mark.parametrize("box", [(-1, 0, 3, 3), (0, -1, 3, 3), (8, 0, 3, 3), (0, 4, 3, 3), (10, 6, 1, 1)])
def test_a_box_that_sticks_out_is_refused(box: Box) -> None:
    with pytest.raises(UsageError, match="outside the photo of 10×6"):
        mask_from_boxes([box], 10, 6)


@pytest.mark.parametrize("box", [(0, 0, 0, 3), (0, 0, 3, 0), (0, 0, -3, 3)])
def test_a_box_without_area_is_refused(box: Box) -> None:
    with pytest.raises(UsageError, match="no area"):
        mask_from_boxes([box], 10, 6)


@pytest.mark.parametrize("text", ["10,20,300,80", " 10, 20 ,300 , 80\n", "010,20,300,80"])
def test_boxes_are_read(text: str) -> None:
    assert read_box(text) == (10, 20, 300, 80)


@pytest.mark.parametrize(
    "text", ["", "10,20,300", "10,20,300,80,1", "10 20 300 80", "-1,2,3,4", "1.5,2,3,4", "٣,1,1,1"]
)
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no box"):
        read_box(text)


def test_the_largest_photo_is_not_looked_at_pixel_by_pixel() -> None:
    drawn = Image.new("L", (3000, 3000))
    draw = ImageDraw.Draw(drawn)
    for x, y in ((x, y) for x in range(0, 3000, 200) for y in range(0, 3000, 150)):
        draw.ellipse((x, y, x + 150, y + 90), fill=255)

    mask = _counted(lambda: Mask.from_image(drawn))
    text = _counted(lambda: mask.to_rle("column", 1))
    assert _counted(lambda: read_mask(text, 3000, 3000, order="column", origin=1)) == mask
    assert _counted(mask.to_image).size == (3000, 3000)


def _counted(work: Callable[[], T]) -> T:
    # Steps of Python, not seconds, which depend on the machine: a look at each of the nine million pixels takes one.
    steps = 0

    def count(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:  # noqa: ARG001 - as it is called
        nonlocal steps
        steps += 1
        return count

    was = sys.gettrace()
    sys.settrace(count)
    try:
        result = work()
    finally:
        sys.settrace(was)
    assert steps < 4_500_000
    return result
