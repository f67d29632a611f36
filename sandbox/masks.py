"""Reads the run-length mask of a call."""

from __future__ import annotations

import re

from PIL import Image

from sandbox.answers import RefusalError

_NUMBER = re.compile(r"\d{1,9}")


def read_runs(text: str) -> list[tuple[int, int]]:
    """Splits `start length start length …` at any white space.

    Raises:
        RefusalError: 700, when it is not a list of pairs of whole numbers.
    """
    tokens = text.split()
    if len(tokens) % 2:
        raise RefusalError(700, "mask must hold pairs of start and length")
    if not all(_NUMBER.fullmatch(token) for token in tokens):
        raise RefusalError(700, "mask must hold whole numbers only")
    numbers = [int(token) for token in tokens]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def paint(runs: list[tuple[int, int]], size: tuple[int, int]) -> Image.Image:
    """Turns runs (row by row, first pixel 0) into a mask picture of the photo's size: 255 is to be erased.

    Raises:
        RefusalError: 700, when a run is empty or leaves the photo.
    """
    pixels = bytearray(size[0] * size[1])
    for start, length in runs:
        if length == 0 or start + length > len(pixels):
            raise RefusalError(700, f"mask run {start} {length} does not fit a {size[0]}x{size[1]} photo")
        pixels[start : start + length] = b"\xff" * length
    return Image.frombytes("L", size, bytes(pixels))
