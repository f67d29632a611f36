"""Turning every pixel layout into RGB for sending, and what was changed back into the source's layout."""

import io

from PIL import Image, ImageCms, ImageMath

from photos.pictures import DEEP_MODES, DEPTH, has_alpha, shallow

WHITE = (255, 255, 255)
DARK = (64, 64, 64)
_BRIGHT_LEVEL = 225
_SAMPLE_SIDE = 64
_FAINTEST_ALPHA = 32
_ALPHA_MODES = {"RGBA", "LA"}


class Colours:
    """One photo's way to RGB and back.

    Args:
        mode: The source's pixel layout.
        icc: Its colour profile. It is followed for CMYK, whose numbers mean little without it; RGB keeps its numbers,
            as the API is not known to look at profiles.
        background: The colour put under what is transparent.
    """

    def __init__(self, mode: str, icc: bytes | None, background: tuple[int, int, int] | None) -> None:
        self._background = background
        self._to_rgb: ImageCms.ImageCmsTransform | None = None
        self._from_rgb: ImageCms.ImageCmsTransform | None = None
        if mode == "CMYK" and icc is not None:
            self._follow(icc)

    def rgb(self, image: Image.Image) -> Image.Image:
        """Return a picture, or a part of one, as it is sent."""
        if image.mode in DEEP_MODES:
            return shallow(image).convert("RGB")
        if image.mode == "CMYK" and self._to_rgb is not None:
            converted = ImageCms.applyTransform(image, self._to_rgb)
            assert converted is not None
            return converted
        if has_alpha(image):
            under = Image.new("RGBA", image.size, self._background or WHITE)
            return Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")
        return image if image.mode == "RGB" else image.convert("RGB")

    def back(self, piece: Image.Image, mode: str) -> Image.Image:
        """Return an RGB piece in the source's layout; its transparency is for the caller to set."""
        if mode in _ALPHA_MODES:
            return piece.convert("L" if mode == "LA" else "RGB").convert(mode)
        if mode == "CMYK" and self._from_rgb is not None:
            converted = ImageCms.applyTransform(piece, self._from_rgb)
            assert converted is not None
            return converted
        if mode == "I;16":
            return piece.convert("L").convert("I").point(lambda level: level * DEPTH).convert("I;16")
        if mode == "1":
            return piece.convert("1", dither=Image.Dither.NONE)
        return piece if piece.mode == mode else piece.convert(mode)

    def unflattened(self, piece: Image.Image, alpha: Image.Image) -> Image.Image:
        """Return an RGB piece as it has to be stored to look the same over the background through this alpha."""
        if not any(alpha.histogram()[1:255]):
            return piece
        under = self._background or WHITE
        # Fainter pixels would be made up of the encoder's noise.
        seen = alpha.point([max(level, _FAINTEST_ALPHA) for level in range(256)])
        return Image.merge(
            "RGB", [_without(band, level, seen) for band, level in zip(piece.split(), under, strict=True)]
        )

    def _follow(self, icc: bytes) -> None:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            relative = ImageCms.Intent.RELATIVE_COLORIMETRIC
            back = ImageCms.buildTransform(srgb, profile, "RGB", "CMYK", relative)
            self._to_rgb = ImageCms.buildTransform(profile, srgb, "CMYK", "RGB", relative)
            self._from_rgb = back
        except (ImageCms.PyCMSError, OSError):
            # Without a usable profile Pillow's plain arithmetic does: it too can be undone.
            self._to_rgb = self._from_rgb = None


def background_for(image: Image.Image) -> tuple[int, int, int]:
    """Return what to put under a transparent photo: white, as shops do, unless what is visible is white itself."""
    small = image.convert("RGBA") if image.mode in {"P", "PA", "1"} else image
    small = small.resize((_SAMPLE_SIDE, _SAMPLE_SIDE), Image.Resampling.NEAREST).convert("RGBA")
    weights = small.getchannel("A").tobytes()
    if not any(weights):
        return WHITE
    levels = small.convert("L").tobytes()
    mean = sum(level * weight for level, weight in zip(levels, weights, strict=True)) / sum(weights)
    return DARK if mean > _BRIGHT_LEVEL else WHITE


def _without(band: Image.Image, under: int, alpha: Image.Image) -> Image.Image:
    result = ImageMath.lambda_eval(
        lambda at: at["convert"](at["min"](at["max"]((at["band"] - under) * 255 / at["alpha"] + under, 0), 255), "L"),
        band=band,
        alpha=alpha,
    )
    assert isinstance(result, Image.Image)
    return result
