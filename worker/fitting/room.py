"""How many photos are worked on at once in one process, since every one of them takes memory by its pixels."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

BIG_PIXELS = 12_000_000
"""Larger photos are worked on one after the other."""

# More at once than there are cores would not be faster.
_any = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
_big = threading.BoundedSemaphore(1)


@contextmanager
def room_for(size: tuple[int, int]) -> Iterator[None]:
    """Wait for room to work on a photo, and keep it.

    Args:
        size: The photo's width and height in pixels.
    """
    if size[0] * size[1] <= BIG_PIXELS:
        with _any:
            yield
        return
    with _big, _any:
        yield
