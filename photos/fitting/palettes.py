"""Keeping a palette: a GIF is painted with the colours it has, others get new ones where there is room."""

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


def indexed(source: Image.Image, painted: Image.Image, touched: Image.Image) -> Image.Image | None:
    """Return a painted picture with its source's palette and numbers, its new colours behind the old ones.

    Args:
        source: Mode `P`.
        painted: The same in RGB or RGBA, painted on.
        touched: Where; mode `L`.

    Returns:
        None when there are more colours than a palette has room for.
    """
    colours = _colours_of(source, len(painted.mode))
    box = touched.getbbox() or (0, 0, 1, 1)
    piece, mask = painted.crop(box), touched.crop(box).point(_ANY, "1")
    filled = Image.new(painted.mode, piece.size, colours[0])
    filled.paste(piece, (0, 0), mask)
    found = filled.getcolors(_COLOURS)
    if found is None:
        return None
    wanted = {colour for _, colour in found if isinstance(colour, tuple)}
    if len(colours) + len(wanted - set(colours)) > _COLOURS:
        # Some formats always have all entries; those behind the last one that is used are free.
        colours = colours[: max(number for number, count in enumerate(source.histogram()) if count) + 1]
    colours += sorted(wanted - set(colours))
    if len(colours) > _COLOURS:
        return None
    numbers: dict[tuple[int, ...], int] = {}
    for number, colour in enumerate(colours):
        numbers.setdefault(colour, number)
    pixels = iter(filled.tobytes())
    there = bytes(numbers[colour] for colour in zip(*[pixels] * len(painted.mode), strict=True))
    result = source.copy()
    result.paste(Image.frombytes("P", piece.size, there), box, mask)
    result.putpalette([level for colour in colours for level in colour[:3]])
    result.info.pop("transparency", None)
    if len(painted.mode) == 4:
        result.info["transparency"] = bytes(colour[3] for colour in colours)
    return result


def _colours_of(source: Image.Image, count: int) -> list[tuple[int, ...]]:
    numbers = list(source.getpalette("RGB") or [0, 0, 0])
    colours = [tuple(numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
    if count == 3:
        return colours
    told = source.info.get("transparency")
    clear = told if isinstance(told, bytes) else b""
    opacities = [clear[number] if number < len(clear) else 255 for number in range(len(colours))]
    if isinstance(told, int) and told < len(opacities):
        opacities[told] = 0
    return [(*colour, opacity) for colour, opacity in zip(colours, opacities, strict=True)]


_ANY = [0] + [255] * 255
