"""Pictures of strangers, opened in processes that can be killed.

Whatever a file does to its decoder, it does to a process of its own that may take so much memory, processor and time
and no more, holds no secret, and is replaced when it dies. What is known to hurt is refused before, by `scan`.
"""

from photos.decoders.calls import compare, fit, inspect, look_at, restore, seen_size_of, thumbnail
from photos.decoders.limits import WEB
from photos.decoders.pool import close, configure, urgently, warm

__all__ = [
    "WEB",
    "close",
    "compare",
    "configure",
    "fit",
    "inspect",
    "look_at",
    "restore",
    "seen_size_of",
    "thumbnail",
    "urgently",
    "warm",
]
