"""Masks as plain sets of pixels, the slow and obvious way, to compare with."""

from hypothesis import strategies as st

from removal.mask import Mask

Pixel = tuple[int, int]


def pixels_of(mask: Mask) -> set[Pixel]:
    """Return every x, y the mask covers, by reading its picture."""
    image = mask.to_image()
    return {(x, y) for y in range(mask.height) for x in range(mask.width) if image.getpixel((x, y))}


def pixels_of_text(text: str, width: int, height: int, order: str, origin: int) -> set[Pixel]:
    """Return every x, y that well-formed run lengths cover, counted one by one."""
    numbers = [int(word) for word in text.split()]
    covered = set()
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for number in range(start - origin, start - origin + length):
            across, along = divmod(number, width if order == "row" else height)
            covered.add((along, across) if order == "row" else (across, along))
    return covered


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Make small masks of any shape, runs unsorted and overlapping."""
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    pixels = width * height
    starts = draw(st.lists(st.integers(0, pixels - 1), max_size=12))
    runs = tuple((start, draw(st.integers(1, pixels - start))) for start in starts)
    return Mask(width, height, runs)
