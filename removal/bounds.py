"""Which photos a provider takes.

The numbers are those of the removal API's reference, as its parameter table has them; its error codes 703, 704 and 705
answer a photo outside them.
"""

from dataclasses import dataclass

from core.errors import UsageError

MIN_SIDE = 512
MAX_SIDE = 3000
MAX_BYTES = 10_000_000
"""The reference says 10 MB after decoding Base64, not which MB; the smaller reading is right under both."""

FORMATS = ("JPEG", "PNG", "BMP")
"""Pillow's names of the formats the reference lists (JPG, JPEG, PNG, BMP)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which photos a provider takes; the defaults are those of the removal API's reference.

    Args:
        min_side: Pixels of the shorter side, at least.
        max_side: Pixels of the longer side, at most.
        max_bytes: Size of the file, at most.
        formats: Pillow's names. JPEG has to be among them: everything can be brought under `max_bytes` with it.

    Raises:
        UsageError: No photo could meet them.
    """

    min_side: int = MIN_SIDE
    max_side: int = MAX_SIDE
    max_bytes: int = MAX_BYTES
    formats: tuple[str, ...] = FORMATS

    def __post_init__(self) -> None:
        if not 1 <= self.min_side <= self.max_side:
            raise UsageError(f"No photo has sides of {self.min_side} to {self.max_side} pixels.")
        if "JPEG" not in self.formats:
            raise UsageError("Photos are fitted for providers that take JPEG, and it is not among the formats.")

    @property
    def formats_in_words(self) -> str:
        """The formats as a sentence lists them."""
        *others, last = self.formats
        return f"{', '.join(others)} and {last}" if others else last

    def admit(self, width: int, height: int) -> bool:
        """Return whether a photo of this size can be sent as it is."""
        return self.min_side <= min(width, height) and max(width, height) <= self.max_side

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a photo made just small enough."""
        factor = min(1.0, self.max_side / max(width, height))
        return max(1, round(width * factor)), max(1, round(height * factor))

    def padded(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a photo made just large enough."""
        return max(width, self.min_side), max(height, self.min_side)
