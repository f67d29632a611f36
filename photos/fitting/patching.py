"""Putting the changed parts of an output into the full-size source, tile by tile."""

from PIL import Image, ImageChops

from photos.fitting.colours import Colours
from photos.fitting.palettes import Palette

_TILE = 256
_HARD_MODES = {"1", "P", "I;16"}
"""Layouts whose pixels cannot be blended."""

_HALF = [0] * 128 + [255] * 128


def editable(image: Image.Image, format_name: str) -> Image.Image:
    """Return a decoded source in a layout that can be painted on and written again, with nothing lost.

    Only a GIF stays on its palette: other formats have room for colours the palette lacks.
    """
    if image.mode in {"P", "PA"} and format_name == "GIF":
        return image
    if image.mode in {"I;16B", "I;16L", "I;16N"}:
        return image.convert("I").convert("I;16")
    mode = image.mode
    if "transparency" in image.info and mode != "I;16":
        mode = "LA" if mode in {"L", "1"} else "RGBA"
    mode = {"P": "RGB", "PA": "RGBA", "RGBa": "RGBA", "La": "LA", "RGBX": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    if mode != image.mode:
        return image.convert(mode)
    # Saving a picture that came from a TIFF, Pillow copies tags that fit the old data only, such as JPEG tables.
    return image.copy() if format_name == "TIFF" else image


def patch(
    image: Image.Image,
    output: Image.Image,
    area: Image.Image,
    colours: Colours,
    touched: Image.Image | None = None,
) -> None:
    """Paint the changed parts of an output onto a source.

    Args:
        image: The source as `editable` gave it, changed in place.
        output: In RGB, turned and cropped like the source, perhaps smaller.
        area: How much of each of the output's pixels to take, of the same size.
        colours: The source's way back from RGB.
        touched: Where anything was painted is noted here; mode `L`, as large as the source.
    """
    palette = Palette(image) if image.mode == "P" else None
    across, down = image.width / output.width, image.height / output.height
    for top in range(0, output.height, _TILE):
        for left in range(0, output.width, _TILE):
            right, bottom = min(left + _TILE, output.width), min(top + _TILE, output.height)
            if area.crop((left, top, right, bottom)).getbbox() is None:
                continue
            place = (round(left * across), round(top * down), round(right * across), round(bottom * down))
            piece, weight = _enlarged(output, place, across, down), _enlarged(area, place, across, down)
            weight = _paint(image, piece, weight, place, colours, palette)
            if touched is not None:
                touched.paste(255, place, weight.point(_ANY))


def _enlarged(picture: Image.Image, place: tuple[int, int, int, int], across: float, down: float) -> Image.Image:
    if across == down == 1:
        return picture.crop(place)
    size = (max(1, place[2] - place[0]), max(1, place[3] - place[1]))
    exact = (
        place[0] / across,
        place[1] / down,
        min(place[2] / across, picture.width),
        min(place[3] / down, picture.height),
    )
    method = Image.Resampling.BILINEAR if picture.mode == "L" else Image.Resampling.BICUBIC
    return picture.resize(size, method, box=exact)


def _paint(
    image: Image.Image,
    piece: Image.Image,
    weight: Image.Image,
    place: tuple[int, int, int, int],
    colours: Colours,
    palette: Palette | None,
) -> Image.Image:
    """Paint a piece, and return how much of each pixel was taken."""
    alpha = image.crop(place).getchannel("A") if image.mode in {"RGBA", "LA"} else None
    if alpha is not None:
        piece = colours.unflattened(piece, alpha)
    painted = palette.painted(piece) if palette is not None else colours.back(piece, image.mode)
    if alpha is not None:
        painted.putalpha(alpha)
        # What cannot be seen stays as it was stored.
        weight = ImageChops.multiply(weight, alpha.point(_ANY))
    if image.mode in _HARD_MODES:
        weight = weight.point(_HALF, "1")
        if palette is not None and palette.transparent is not None:
            seen = image.crop(place).point(palette.visible, "1")
            weight = ImageChops.logical_and(weight, seen)
    image.paste(painted, place, weight)
    return weight


_ANY = [0] + [255] * 255
