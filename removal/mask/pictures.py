"""What counts as drawn in a picture of a mask.

In a picture with transparency, every pixel that is not fully transparent is to be erased, whatever its colour: that
is a layer somebody painted on. In a picture without any, every pixel that is not black is: that is white on black.
The soft edge of a brush counts as drawn, for a rim left of a watermark is worse than a pixel too many.
"""

from PIL import Image, ImageChops

from removal.mask.runs import INSIDE, OUTSIDE

_DRAWN = [OUTSIDE, *[INSIDE] * 255]
_WIDE_MODES = ("I", "F")


def drawn_area(image: Image.Image) -> Image.Image:
    """Return a picture of one byte a pixel (mode `L`): 255 where the mask is drawn, 0 elsewhere.

    Args:
        image: In any of Pillow's modes.
    """
    if image.has_transparency_data and not image.mode.startswith(_WIDE_MODES):
        alpha = image.convert("LA" if image.mode == "La" else "RGBA").getchannel("A")
        lowest, _ = alpha.getextrema()
        if lowest != 255:
            return alpha.point(_DRAWN)
    return _brightest(image).point(_DRAWN)


def _brightest(image: Image.Image) -> Image.Image:
    if image.mode in {"1", "L"} or image.mode.startswith(_WIDE_MODES):
        # Pillow cuts levels over 255 and does not scale them, so that level 1 of 65,535 is not black either.
        return image.convert("L")
    # Not by brightness: a deep blue would round down to black.
    red, green, blue = image.convert("RGB").split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)
