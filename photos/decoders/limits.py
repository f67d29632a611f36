"""The one table of what a picture may be, and of what may be spent on it."""

import os
from dataclasses import dataclass

from core.machine import memory_limit

MB = 1_000_000

MOST_SIDE = 65_535
"""Pixels; no JPEG or GIF can have more, and rows of one pixel take tens of bytes each."""

MOST_PIXELS = 120_000_000
MOST_PIXELS_OF = {"WEBP": 40_000_000, "AVIF": 24_000_000, "TIFF": 60_000_000}
"""Their coders hold the whole picture several times over; a TIFF is copied to be painted on."""

BIG_PIXELS = 12_000_000
BIG_PIXELS_OF = {"WEBP": 8_000_000, "AVIF": 4_000_000}
"""Larger ones are worked on one after the other."""
BIG_DEEP_PIXELS = 4_000_000
"""As well of those with more than 8 bits a channel, each of which takes two pictures."""

MOST_SEGMENTS = 2000
"""Of a JPEG before its pixels; each is read by itself."""
MOST_EXIF_SEGMENTS = 32
"""Joined one after the other, which takes a square of their number."""
MOST_JUNK = 65_536
"""Bytes between segments of a JPEG, each of which is read by itself; those that may fill the space do not count."""
MOST_CHUNKS = 1000
BYTES_PER_CHUNK = 1024
"""So many chunks of a PNG and one more for each kilobyte; encoders write eight kilobytes and more into each."""
MOST_BLOCKS = 20_000
"""Of a GIF before its first picture."""
MOST_TAGS = 500
MOST_TAG_BYTES = 4 * MB
"""Of a TIFF, all tags together."""
MOST_STRIPS = 70_000
"""Of a TIFF: one a row of the tallest."""
MOST_RUNS_BYTES = 4 * MB
"""Of a BMP of run lengths, which is decoded in Python."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work may take.

    Args:
        memory_bytes: Beside the process itself.
        cpu_seconds: Of processors, together.
        wall_seconds: From asking to the answer; generous, for busy machines.
    """

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a process may spend on pictures.

    Args:
        ordinary: On each of up to `BIG_PIXELS`.
        big: On each larger one, of which one is worked on at a time, in place of an ordinary one.
        turns: How many are worked on at once; one more where somebody waits for it.
    """

    ordinary: Cost
    big: Cost
    turns: int


_BIG = Cost(1200 * MB, 60, 180.0)
_ORDINARY = Cost(350 * MB, 15, 60.0)
_ITSELF = 250 * MB
# The big one takes an ordinary one's place, and one more is kept for whom somebody waits for.
_fitting = (memory_limit() - _BIG.memory_bytes - _ITSELF) // _ORDINARY.memory_bytes

WORKER = Allowance(_ORDINARY, _BIG, turns=max(2, min(os.cpu_count() or 1, _fitting)))
WEB = Allowance(Cost(200 * MB, 8, 30.0), Cost(420 * MB, 15, 45.0), turns=2)
"""Who looks at pages waits for less, and the process that serves them may take half of a worker's memory."""
