"""What a file tells, whatever its format."""

from dataclasses import dataclass, field
from fractions import Fraction

MOST_BYTES = 4_000_000
"""Of one photo, all together; what does not go in any more is left out."""

PER_INCH, PER_CM, RATIO = "inch", "cm", "ratio"


@dataclass(frozen=True, slots=True)
class Density:
    """How large pixels are.

    Args:
        across: So many in a unit, or of a ratio the first number.
        down: The same.
        unit: `inch`, `cm` or `ratio`.
    """

    across: Fraction
    down: Fraction
    unit: str

    def per(self, unit: str) -> tuple[Fraction, Fraction]:
        """Return the numbers in a unit that is not a ratio; a ratio stays one."""
        times = Fraction(1)
        if (self.unit, unit) == (PER_INCH, PER_CM):
            times = Fraction(100, 254)
        elif (self.unit, unit) == (PER_CM, PER_INCH):
            times = Fraction(254, 100)
        return self.across * times, self.down * times


@dataclass(slots=True)
class Told:
    """What a file tells.

    Args:
        exif: Tags as Exif has them, from the TIFF header on.
        xmp: Adobe's XML.
        extended: The parts of what does not fit into `xmp`, as JPEGs have them.
        resources: Photoshop's, in which IPTC is.
        texts: Chunks of a PNG: text, and when it was changed.
        comments: Of a JPEG or GIF.
        density: How large pixels are.
        colours: Chunks of a PNG that say how its colours are meant.
        is_cut: Whether something was left out, as it is too large or cannot be read.
    """

    exif: bytes = b""
    xmp: bytes = b""
    extended: list[bytes] = field(default_factory=list)
    resources: bytes = b""
    texts: list[bytes] = field(default_factory=list)
    comments: list[bytes] = field(default_factory=list)
    density: Density | None = None
    colours: list[bytes] = field(default_factory=list)
    is_cut: bool = False
    _room: int = MOST_BYTES

    def take(self, part: bytes) -> bytes:
        """Return a part when there is room for it; nothing otherwise."""
        if len(part) > self._room:
            self.is_cut = True
            return b""
        self._room -= len(part)
        return part

    def take_into(self, parts: list[bytes], part: bytes) -> None:
        """Add a part to others when there is room for it."""
        if taken := self.take(part):
            parts.append(taken)
