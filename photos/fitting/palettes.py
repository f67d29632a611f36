"""Painting with the colours a GIF already has, so that its other pixels keep theirs."""

from PIL import Image

_COLOURS = 256


class Palette:
    """The colours of a picture with a palette.

    Args:
        image: Mode `P`.
    """

    def __init__(self, image: Image.Image) -> None:
        numbers = list(image.getpalette("RGB") or [0, 0, 0])
        used = len(numbers) // 3
        transparency = image.info.get("transparency")
        self.transparent = transparency if isinstance(transparency, int) else None
        usable = next((index for index in range(used) if index != self.transparent), 0)
        # Entries that must not be painted with get the colour of one that may, and their number is replaced after.
        forbidden = [index for index in range(_COLOURS) if index >= used or index == self.transparent]
        numbers += [0] * (3 * _COLOURS - len(numbers))
        self._replaced = list(range(_COLOURS))
        for index in forbidden:
            numbers[3 * index : 3 * index + 3] = numbers[3 * usable : 3 * usable + 3]
            self._replaced[index] = usable
        self._picture = Image.new("P", (1, 1))
        self._picture.putpalette(numbers)
        self.visible = [0 if index == self.transparent else 255 for index in range(_COLOURS)]
        """For each number, 255 unless it is the transparent one."""

    def painted(self, piece: Image.Image) -> Image.Image:
        """Return an RGB picture in these colours, as numbers."""
        return piece.quantize(palette=self._picture, dither=Image.Dither.FLOYDSTEINBERG).point(self._replaced)
