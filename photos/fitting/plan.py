"""What was done to a photo before it was sent, and the geometry of the way there."""

from dataclasses import dataclass

from PIL import Image, ImageFilter

from core.errors import UsageError
from photos.orientation import TURNS, UPRIGHT, seen_size

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a photo became what was sent. It follows from the photo and the bounds alone, so it can be made again.

    Args:
        source_format: Pillow's name.
        source_size: Pixels as stored, before any EXIF turn.
        source_mode: Pillow's name of the pixel layout.
        orientation: EXIF's, 1 (upright) to 8.
        background: The colour put under what is transparent; None for a photo without transparency.
        has_profile: Whether the photo has a colour profile.
        is_unchanged: Whether the file was sent as it is.
        sent_format: Pillow's name.
        sent_size: Pixels.
        quality: Of the JPEG that was sent; None when the sending lost nothing.
        photo_box: Where the photo, upright, lies within what was sent; the rest is padding.
    """

    source_format: str
    source_size: tuple[int, int]
    source_mode: str
    orientation: int
    background: tuple[int, int, int] | None
    has_profile: bool
    is_unchanged: bool
    sent_format: str
    sent_size: tuple[int, int]
    quality: int | None
    photo_box: Box

    @property
    def turn(self) -> Image.Transpose | None:
        """What turns the photo upright."""
        return TURNS.get(self.orientation)

    @property
    def seen_size(self) -> tuple[int, int]:
        """The source's size as it is seen, upright."""
        return seen_size(*self.source_size, self.orientation)

    @property
    def stored_size(self) -> tuple[int, int]:
        """The photo's size within what was sent, but turned as the source is stored."""
        return seen_size(*self.photo_box[2:], self.orientation)

    @property
    def is_scaled(self) -> bool:
        """Whether the photo was made smaller."""
        return self.stored_size != self.source_size

    @property
    def is_padded(self) -> bool:
        """Whether something was put around the photo."""
        return self.photo_box[2:] != self.sent_size

    @property
    def steps(self) -> tuple[str, ...]:
        """What was done, in words for a quote or a report."""
        width, height = self.photo_box[2:]
        done = {
            "turned upright": self.orientation != UPRIGHT,
            f"scaled to {width}×{height}": self.is_scaled,
            f"padded to {self.sent_size[0]}×{self.sent_size[1]}": self.is_padded,
            "transparency filled": self.background is not None,
            f"{self.source_mode} made RGB": self.source_mode not in {"RGB", "L"} and self.background is None,
            f"{self.source_format} sent as {self.sent_format}": self.source_format != self.sent_format,
            f"sent with JPEG quality {self.quality}": self.quality is not None,
        }
        return () if self.is_unchanged else tuple(step for step, applies in done.items() if applies)

    def transform_mask(self, mask: Image.Image) -> Image.Image:
        """Return a mask of the source as a mask of what was sent; what it touches at all stays inside.

        Args:
            mask: Mode `1`, as large as the photo is seen. Padding is never inside.

        Raises:
            UsageError: The mask has another size.
        """
        if mask.size != self.seen_size:
            raise UsageError(
                f"The mask is {mask.width}×{mask.height} pixels, the photo as it is seen "
                f"{self.seen_size[0]}×{self.seen_size[1]}."
            )
        if self.is_scaled:
            _, _, width, height = self.photo_box
            # In two steps, because the average over many pixels rounds a thin stroke down to nothing.
            grey = mask.convert("L")
            for size in ((width, mask.height), (width, height)):
                grey = grey.resize(size, Image.Resampling.BOX).point(_ANY)
            # Scaling a photo spreads what it shows by a pixel, and a rim of it must not be left.
            mask = grey.filter(ImageFilter.MaxFilter(3)).convert("1", dither=Image.Dither.NONE)
        sent = Image.new("1", self.sent_size)
        sent.paste(mask, self.photo_box[:2])
        return sent


_ANY = [0] + [255] * 255
