"""What a removal request says, to whichever provider."""

from dataclasses import dataclass, field

from core.errors import UsageError

ELEMENTS = {1: "semi-transparent elements", 2: "names", 3: "characters", 4: "colour blocks with characters"}


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
            raise UsageError(f"Elements are 1 to 4; there is no element {unknown[0]}.")
        if not (self.subject_elements or self.elements or self.mask):
            raise UsageError("Nothing to take off: name elements, subject elements or a mask.")
