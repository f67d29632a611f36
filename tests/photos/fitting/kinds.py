"""One photo of every kind a shop may have, and what a viewer shows of a file."""

import io
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

from tests.photos.pictures import drawn, saved

Make = Callable[[int, int], bytes]

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def seen(data: bytes) -> Image.Image:
    """Return what a viewer shows: upright, RGBA, 8 bits a channel."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            upright = upright.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
        return upright.convert("RGBA")


def flat(data: bytes, background: str = "white") -> Image.Image:
    """Return what a viewer shows, in RGB."""
    picture = seen(data)
    return Image.alpha_composite(Image.new("RGBA", picture.size, background), picture).convert("RGB")


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Return the peak signal to noise ratio of two RGB pictures in dB; 100 for the same."""
    squares = sum(ImageStat.Stat(ImageChops.difference(one, other)).sum2) / (one.width * one.height * 3)
    if not squares:
        return 100.0
    from math import log10

    return 10 * log10(255**2 / squares)


def _plain(format_name: str, mode: str = "RGB", **options: Any) -> Make:
    return lambda width, height: saved(drawn(width, height, mode), format_name, **options)


def _oriented(format_name: str, orientation: int) -> Make:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return lambda width, height: saved(drawn(width, height), format_name, exif=exif)


def _clear(format_name: str, mode: str = "RGBA", **options: Any) -> Make:
    def make(width: int, height: int) -> bytes:
        picture = drawn(width, height).convert(mode)
        alpha = Image.radial_gradient("L").resize((width, height)).point(lambda level: 255 - level)
        alpha.paste(0, (0, 0, width // 6, height // 6))
        picture.putalpha(alpha)
        return saved(picture, format_name, **options)

    return make


def _deep(format_name: str) -> Make:
    def make(width: int, height: int) -> bytes:
        slope = drawn(width, height, "L").convert("I").point(lambda level: level * 257)
        return saved(slope.convert("I;16"), format_name)

    return make


def _palette(format_name: str, *, has_hole: bool, **options: Any) -> Make:
    def make(width: int, height: int) -> bytes:
        picture = drawn(width, height).quantize(64)
        if has_hole:
            picture.paste(3, (0, 0, width // 6, height // 6))
            return saved(picture, format_name, transparency=3, **options)
        return saved(picture, format_name, **options)

    return make


def _animated(format_name: str) -> Make:
    def make(width: int, height: int) -> bytes:
        frames = [drawn(width, height), drawn(width, height).transpose(Image.Transpose.ROTATE_180)]
        return saved(frames[0], format_name, save_all=True, append_images=frames[1:])

    return make


def _keyed(width: int, height: int) -> bytes:
    picture = drawn(width, height)
    picture.paste((1, 2, 3), (0, 0, width // 6, height // 6))
    return saved(picture, "PNG", transparency=(1, 2, 3))


KINDS: dict[str, Make] = {
    "jpeg": _plain("JPEG", quality=90),
    "jpeg progressive": _plain("JPEG", progressive=True, subsampling=2),
    "jpeg grey": _plain("JPEG", "L"),
    "jpeg cmyk": _plain("JPEG", "CMYK", quality=92),
    "jpeg with profile": _plain("JPEG", icc_profile=SRGB),
    **{f"jpeg turned {orientation}": _oriented("JPEG", orientation) for orientation in range(2, 9)},
    "png": _plain("PNG"),
    "png grey": _plain("PNG", "L"),
    "png black and white": _plain("PNG", "1"),
    "png palette": _palette("PNG", has_hole=False),
    "png palette with a hole": _palette("PNG", has_hole=True),
    "png keyed": _keyed,
    "png alpha": _clear("PNG", icc_profile=SRGB),
    "png grey alpha": _clear("PNG", "LA"),
    "png 16 bit": _deep("PNG"),
    "png animated": _animated("PNG"),
    "png turned": _oriented("PNG", 6),
    "bmp": _plain("BMP"),
    "bmp grey": _plain("BMP", "L"),
    "bmp palette": _plain("BMP", "P"),
    "webp": _plain("WEBP", quality=90),
    "webp lossless": _plain("WEBP", lossless=True, icc_profile=SRGB),
    "webp alpha": _clear("WEBP", lossless=True),
    "webp animated": _animated("WEBP"),
    "webp turned": _oriented("WEBP", 8),
    "gif": _palette("GIF", has_hole=False),
    "gif with a hole": _palette("GIF", has_hole=True),
    "gif animated": _animated("GIF"),
    "tiff": _plain("TIFF"),
    "tiff lzw": _plain("TIFF", compression="tiff_lzw", icc_profile=SRGB),
    "tiff jpeg": _plain("TIFF", compression="jpeg", quality=92),
    "tiff cmyk": _plain("TIFF", "CMYK"),
    "tiff alpha": _clear("TIFF"),
    "tiff 16 bit": _deep("TIFF"),
    "tiff black and white": _plain("TIFF", "1", compression="group4"),
    "tiff pages": _animated("TIFF"),
    "tiff turned": _oriented("TIFF", 6),
    "avif": _plain("AVIF", quality=80),
    "avif alpha": _clear("AVIF"),
}
