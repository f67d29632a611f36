"""Writing an artifact in its source's format."""

import io
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import get_sampling
from PIL.TiffImagePlugin import COMPRESSION_INFO

from photos.fitting.plan import Plan
from photos.orientation import UPRIGHT, orientation_of
from photos.pictures import icc_profile

_ORIENTATION_TAG = 0x0112
_QUALITY = 95
_WEBP_QUALITY = 95
_AVIF_QUALITY = 90
_PNG_LEVEL = 4
"""A third of the time of zlib's usual level for files 2 % larger."""

_FULL_COLOUR = 0
_TIFF_COMPRESSIONS = {"tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg", "raw", "zstd", "lzma"}
_BILEVEL_COMPRESSIONS = {"group3", "group4", "tiff_ccitt"}
_SAVED_MODES = {
    "JPEG": {"L", "RGB", "CMYK"},
    "WEBP": {"RGB", "RGBA"},
    "AVIF": {"RGB", "RGBA"},
}
_WITH_ALPHA = {"RGBA", "LA"}


def options_of(image: Image.Image, data: bytes, plan: Plan) -> dict[str, Any]:
    """Return how to save a picture so that it is encoded like an opened source.

    Args:
        image: The source.
        data: Its file.
        plan: Tells its format.
    """
    options: dict[str, Any] = {}
    icc = icc_profile(image)
    if icc is not None and plan.source_format != "BMP":
        options["icc_profile"] = icc
    orientation = orientation_of(image)
    if orientation != UPRIGHT and plan.source_format != "TIFF":
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = orientation
        options["exif"] = exif
    if plan.source_format == "JPEG":
        # The same tables on the same grid give untouched blocks back nearly as they were, at the same file size.
        options["qtables"] = getattr(image, "quantization", None)
        sampling = get_sampling(image)
        options["subsampling"] = sampling if sampling >= 0 else _FULL_COLOUR
        options["progressive"] = bool(image.info.get("progressive"))
    elif plan.source_format == "WEBP":
        options |= {"lossless": True} if _is_lossless(data) else {"quality": _WEBP_QUALITY}
    elif plan.source_format == "AVIF":
        options["quality"] = _AVIF_QUALITY
    elif plan.source_format == "TIFF":
        options |= _tiff_options(image)
    elif plan.source_format == "PNG":
        options["compress_level"] = _PNG_LEVEL
    elif plan.source_format == "GIF" and "transparency" in image.info:
        options["transparency"] = image.info["transparency"]
    return options


def saved(image: Image.Image, format_name: str, options: dict[str, Any]) -> bytes:
    """Return a picture as a file.

    Args:
        image: The picture.
        format_name: Pillow's name.
        options: What `options_of` found.

    Raises:
        Exception: Pillow cannot write this picture in this format with these options.
    """
    modes = _SAVED_MODES.get(format_name)
    if modes is not None and image.mode not in modes:
        image = image.convert("RGBA" if image.mode in _WITH_ALPHA and "RGBA" in modes else "RGB")
    file = io.BytesIO()
    # A picture from a file remembers its profile and tags; only what is asked for is to be written.
    image.save(file, format_name, **({"icc_profile": None} | options))
    return file.getvalue()


def fallback_options(format_name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return plainer options, for a source whose own Pillow cannot write."""
    kept = {key: value for key, value in options.items() if key in {"icc_profile", "exif"}}
    return kept | ({"quality": _QUALITY, "subsampling": _FULL_COLOUR} if format_name == "JPEG" else {})


def _is_lossless(data: bytes) -> bool:
    # Chunks follow the 12 bytes of the RIFF header; the first of the two kinds decides.
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in {b"VP8L", b"VP8 "}:
            return name == b"VP8L"
        # Frames of an animation hold chunks of their own behind 16 bytes.
        at += 24 if name == b"ANMF" else 8 + size + size % 2
    return False


def _tiff_options(image: Image.Image) -> dict[str, Any]:
    compression = image.info.get("compression")
    known = compression in COMPRESSION_INFO.values()
    is_usable = compression in _TIFF_COMPRESSIONS or (image.mode == "1" and compression in _BILEVEL_COMPRESSIONS)
    options: dict[str, Any] = {"compression": compression if known and is_usable else "tiff_adobe_deflate"}
    if compression == "jpeg":
        options["quality"] = _QUALITY
    return options
