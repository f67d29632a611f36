"""Runs of pixels: counting them together, finding them in bytes, drawing them into bytes."""

from collections.abc import Iterable, Sequence
from typing import Literal

from core.errors import UsageError

Run = tuple[int, int]
"""Start and length in pixels, counted from 0."""

Order = Literal["row", "column"]
"""Whether pixels are counted along rows (left to right, then down) or down columns (then to the right)."""

MAX_RUNS = 500_000
"""What is finer than this is dither or noise and no area; its text would outweigh the photo."""

MAX_PIXELS = 100_000_000
"""More than this is no photo of a product but a slip of the keyboard or a decompression bomb."""

INSIDE = 255
OUTSIDE = 0


def check_size(width: int, height: int) -> None:
    """Refuse a size no photo has.

    Raises:
        UsageError: A side is under one pixel, or there are more than `MAX_PIXELS` in all.
    """
    if min(width, height) < 1:
        raise UsageError(f"A photo of {width}×{height} pixels has no room for a mask; both sides must be 1 or more.")
    if width * height > MAX_PIXELS:
        raise UsageError(f"A mask for {width}×{height} pixels is too large; {MAX_PIXELS:,} pixels is the most.")


def check_order(order: str) -> None:
    """Refuse an order that is neither `row` nor `column`.

    Raises:
        UsageError: It is another word.
    """
    if order not in {"row", "column"}:
        raise UsageError(f"A mask counts its pixels in `row` or `column` order, not {order!r:.40}.")


def check_origin(origin: int) -> None:
    """Refuse a first pixel that is numbered neither 0 nor 1.

    Raises:
        UsageError: It is another number.
    """
    if origin not in {0, 1}:
        raise UsageError(f"The first pixel of a mask is number 0 or 1, not {origin}.")


def merged(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return the same pixels as runs in order of their starts, none touching another.

    Args:
        runs: In any order, overlapping or not, each at least one pixel long.

    Raises:
        UsageError: More than `MAX_RUNS` are left.
    """
    result: list[Run] = []
    begin = end = 0
    for start, length in sorted(runs):
        if start > end:
            if end > begin:
                result.append((begin, end - begin))
            begin, end = start, start + length
        elif start + length > end:
            end = start + length
    if end > begin:
        result.append((begin, end - begin))
    if len(result) > MAX_RUNS:
        raise too_fine()
    return tuple(result)


def found(pixels: bytes) -> tuple[Run, ...]:
    """Return the runs of `INSIDE` in a picture of one byte a pixel, each `INSIDE` or `OUTSIDE`.

    Raises:
        UsageError: There are more than `MAX_RUNS`.
    """
    # Two searches by the C library for each run, instead of one step of Python for each pixel.
    runs: list[Run] = []
    start = pixels.find(INSIDE)
    while start >= 0:
        if len(runs) == MAX_RUNS:
            raise too_fine()
        end = pixels.find(OUTSIDE, start)
        if end < 0:
            end = len(pixels)
        runs.append((start, end - start))
        start = pixels.find(INSIDE, end)
    return tuple(runs)


def drawn(runs: Sequence[Run], pixels: int) -> bytearray:
    """Return a picture of one byte a pixel: `INSIDE` within the runs, `OUTSIDE` elsewhere.

    Args:
        runs: All within the picture.
        pixels: How many the picture has.
    """
    picture = bytearray(pixels)
    row = memoryview(bytes([INSIDE]) * max((length for _, length in runs), default=0))
    for start, length in runs:
        picture[start : start + length] = row[:length]
    return picture


def too_fine() -> UsageError:
    """Return the error for an area of too many runs."""
    return UsageError(f"The mask has more than {MAX_RUNS:,} runs: it is dithered or noisy. Draw it in solid areas.")
