"""What a removal request says, to whichever provider."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.errors import UsageError

ELEMENTS = {1: "watermarks", 2: "brand names", 3: "promotional text", 4: "colour blocks with text"}


def element_names(numbers: Iterable[int]) -> str:
    """Return what is removed, in words; empty for nothing."""
    return ", ".join(ELEMENTS[number] for number in numbers)


@dataclass(frozen=True, slots=True)
class RemovalRequest:
    """One photo and what to take off it.

    Args:
        image_url: A public URL of the photo; either this or the bytes.
        image_bytes: The photo's bytes, for providers that take them.
        subject_elements: What to take off the main subject, numbers of `ELEMENTS`.
        elements: What to take off everything else, numbers of `ELEMENTS`.
        mask: Run lengths of the area to erase; wins over both lists.

    Raises:
        UsageError: Not exactly one of URL and bytes, nothing to take off, or an unknown element.
    """

    image_url: str | None
    image_bytes: bytes | None = field(repr=False)
    subject_elements: tuple[int, ...]
    elements: tuple[int, ...]
    mask: str | None = None

    def __post_init__(self) -> None:
        if (self.image_url is None) == (self.image_bytes is None):
            raise UsageError("A removal request takes either a photo's URL or its bytes, and exactly one of them.")
        unknown = sorted({*self.subject_elements, *self.elements} - set(ELEMENTS))
        if unknown:
            raise UsageError(f"Unknown element {unknown[0]}; use 1 to 4.")
        if not (self.subject_elements or self.elements or self.mask):
            raise UsageError("Nothing to remove: name elements, subject elements or a mask.")
