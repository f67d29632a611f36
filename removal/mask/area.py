"""The value a mask is: which pixels of a photo are to be erased."""

from dataclasses import dataclass
from typing import Self

from PIL import Image

from core.errors import UsageError
from removal.mask.pictures import drawn_area
from removal.mask.runs import Order, Run, check_order, check_origin, check_size, drawn, found, merged

_TRANSPOSE = Image.Transpose.TRANSPOSE


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels to erase in a photo of a given size; two masks of the same pixels are equal.

    Args:
        width: Of the photo, pixels.
        height: Of the photo, pixels.
        runs: Start and length, counted along rows from 0. They may come in any order and overlap; they are kept
            sorted and merged. A run may go on in the next row.

    Raises:
        UsageError: A run leaves the photo or has no length, or the size is none a photo has.
    """

    width: int
    height: int
    runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        check_size(self.width, self.height)
        pixels = self.width * self.height
        for start, length in self.runs:
            if start < 0 or length < 1 or start + length > pixels:
                raise UsageError(
                    f"A run of {length} pixels from {start} is not within {self.width}×{self.height} pixels."
                )
        object.__setattr__(self, "runs", merged(self.runs))

    @classmethod
    def from_image(cls, image: Image.Image) -> Self:
        """Return the mask somebody drew: what is not transparent, or, in a picture without transparency, not black.

        Args:
            image: A picture of the photo's size, in any of Pillow's modes.

        Raises:
            UsageError: It is larger than a mask may be, or dithered into more runs than one may have.
        """
        check_size(*image.size)
        return cls(image.width, image.height, found(drawn_area(image).tobytes()))

    @property
    def area(self) -> int:
        """How many pixels are to be erased; 0 means that the mask asks for nothing."""
        return sum(length for _, length in self.runs)

    @property
    def share(self) -> float:
        """The part of the photo that is to be erased, 0 to 1."""
        return self.area / (self.width * self.height)

    @property
    def bounding_box(self) -> tuple[int, int, int, int] | None:
        """The smallest box around all of it as x, y, width and height in pixels; None when it is empty."""
        edges = self._grey().getbbox()
        if edges is None:
            return None
        left, top, right, bottom = edges
        return left, top, right - left, bottom - top

    def to_image(self) -> Image.Image:
        """Return the mask as a picture of mode `1`: white is to be erased."""
        return self._grey().convert("1", dither=Image.Dither.NONE)

    def to_rle(self, order: Order = "row", origin: int = 0) -> str:
        """Return the run lengths as text: sorted, merged, single spaces, empty for an empty mask.

        Args:
            order: Whether pixels are counted along rows or down columns.
            origin: The number of the first pixel, 0 or 1.

        Raises:
            UsageError: Another order or origin, or too many runs when counted down columns.
        """
        check_order(order)
        check_origin(origin)
        runs = self.runs if order == "row" else self._turned().runs
        return " ".join([f"{start + origin} {length}" for start, length in runs])

    @classmethod
    def from_columns(cls, width: int, height: int, runs: tuple[Run, ...]) -> Self:
        """Return the mask of runs that are counted down columns from 0.

        Raises:
            UsageError: As for the mask itself, or too many runs when counted along rows.
        """
        return cls(height, width, runs)._turned()

    def require_size(self, width: int, height: int) -> None:
        """Refuse a photo of another size than this mask is for.

        Args:
            width: Of the photo, pixels.
            height: Of the photo, pixels.

        Raises:
            UsageError: The sizes differ; both are named.
        """
        if (self.width, self.height) != (width, height):
            raise UsageError(
                f"The mask is {self.width}×{self.height} pixels and the photo {width}×{height}; they must be the same."
            )

    def _turned(self) -> Self:
        turned = self._grey().transpose(_TRANSPOSE)
        return type(self)(turned.width, turned.height, found(turned.tobytes()))

    def _grey(self) -> Image.Image:
        pixels = self.width * self.height
        return Image.frombytes("L", (self.width, self.height), bytes(drawn(self.runs, pixels)))
