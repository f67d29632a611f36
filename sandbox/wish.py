"""What an eraser is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Wish:
    """What to erase; a mask (mode L, 255 is erased) wins over both element sets."""

    subject_elements: frozenset[int] = frozenset()
    other_elements: frozenset[int] = frozenset()
    names: tuple[str, ...] = ()
    mask: Image.Image | None = None
