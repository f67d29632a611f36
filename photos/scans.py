"""Finding the scans and the end of a JPEG as its decoder comes upon them, without decoding."""

import re
from collections.abc import Iterator

_MARK = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What says something: neither a byte of pixels, nor filling, nor where pixels may be taken up again."""

_FILLING = re.compile(rb"\xff+")
_FILLED_MARK = re.compile(rb"\xff+[^\xff]")
"""A mark with all that fills the space before it, which may be any amount (ITU T.81, B.1.1.2)."""

_START_OF_SCAN, _END = 0xDA, 0xD9
# A decoder that looks for where to go on skips marks below these without believing their length.
_WITH_LENGTH = {*range(0xC0, 0xFF)} - {0xD8}


def scans_in(data: bytes) -> int:
    """Return how many scans a JPEG has up to its end; phones put films and second pictures behind that."""
    return sum(kind == _START_OF_SCAN for kind, _ in _marks(data, 2))


def end_of(data: bytes, at: int) -> int:
    """Return where a JPEG's own picture ends, looked for from a place before its pixels; its length without an end."""
    return next((end for kind, end in _marks(data, at) if kind == _END), len(data))


def past_filling(data: bytes, at: int) -> int:
    """Return where a mark begins whose filling begins at a place, the mark's first byte being the last of it."""
    found = _FILLING.match(data, at)
    return found.end() - 1 if found else at


def unfilled(data: bytes) -> bytes:
    """Return a JPEG without what fills the space between its segments: Pillow goes through that byte by byte."""
    parts, kept, at = [], 0, 2
    while found := _FILLED_MARK.search(data, at):
        at, kind = found.end(), data[found.end() - 1]
        if at - 2 > found.start():
            parts.append(data[kept : found.start()])
            kept = at - 2
        if kind in {_START_OF_SCAN, _END}:
            break
        if kind in _WITH_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return b"".join([*parts, data[kept:]]) if parts else data


def _marks(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    while found := _MARK.search(data, at):
        at, kind = found.end(), data[found.end() - 1]
        yield kind, at
        if kind == _END:
            return
        if kind in _WITH_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
