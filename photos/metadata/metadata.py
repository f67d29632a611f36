"""Any file's metadata, by its format."""

import struct
from collections.abc import Callable

from photos.metadata.adobe import cleaned_xmp
from photos.metadata.avif_items import bare_avif
from photos.metadata.bmp_header import read_bmp, write_bmp
from photos.metadata.exif_block import HEADER, cleaned, only_orientation
from photos.metadata.gif_blocks import read_gif, write_gif
from photos.metadata.jpeg_segments import read_jpeg, write_jpeg
from photos.metadata.png_chunks import read_png, write_png
from photos.metadata.tiff_tags import read_tiff, write_tiff
from photos.metadata.told import Told
from photos.metadata.webp_chunks import read_webp, write_webp

_READ: dict[str, Callable[[bytes], Told]] = {
    "JPEG": read_jpeg,
    "PNG": read_png,
    "WEBP": read_webp,
    "TIFF": read_tiff,
    "GIF": read_gif,
    "BMP": read_bmp,
}
_WRITE: dict[str, Callable[[bytes, Told], bytes]] = {
    "JPEG": write_jpeg,
    "PNG": write_png,
    "WEBP": write_webp,
    "TIFF": write_tiff,
    "GIF": write_gif,
    "BMP": write_bmp,
}


def read(data: bytes, format_name: str) -> Told:
    """Return what a file tells, without what shows the photo as it was.

    Args:
        data: The file. Nothing of it is decoded, and what of it cannot be read is left out.
        format_name: Pillow's name; of an AVIF nothing is read here.
    """
    try:
        told = _READ[format_name](data) if format_name in _READ else Told()
    except (struct.error, IndexError):
        told = Told(is_cut=True)
    return _without_thumbnail(told)


def read_parts(exif: bytes, xmp: bytes) -> Told:
    """Return what a file tells in two parts that its decoder gave."""
    told = Told()
    told.exif = told.take(exif.removeprefix(HEADER))
    told.xmp = cleaned_xmp(told.take(xmp))
    return _without_thumbnail(told)


def _without_thumbnail(told: Told) -> Told:
    block = cleaned(told.exif) if told.exif else b""
    if block is None:
        told.is_cut = True
    told.exif = only_orientation(told.exif) if block is None else block
    return told


def written(data: bytes, format_name: str, told: Told) -> bytes:
    """Return a finished file that tells this and nothing else; its pixels and its profile stay as they are.

    Args:
        data: The file.
        format_name: Pillow's name; an AVIF can only be made to tell nothing.
        told: What it is to tell.

    Raises:
        ValueError: That cannot be done with this file.
    """
    if format_name == "AVIF":
        return data if told.exif or told.xmp else bare_avif(data)
    try:
        return _WRITE[format_name](data, told)
    except (struct.error, IndexError) as error:
        raise ValueError(str(error)) from error


def bare(told: Told) -> Told:
    """Return what is left of what a file tells when nothing is to be told: how it is turned, and its colours."""
    return Told(exif=only_orientation(told.exif), colours=told.colours)


def rewritten(data: bytes, format_name: str, source: bytes, *, is_bare: bool) -> bytes | None:
    """Return a finished file that tells what its source tells, or nothing; None when that cannot be done.

    Args:
        data: The file.
        format_name: Pillow's name; also that of its source.
        source: The file that it was made of.
        is_bare: Whether it is to tell nothing.
    """
    if format_name == "AVIF" and not is_bare:
        return None
    told = read(source, format_name)
    try:
        return written(data, format_name, bare(told) if is_bare else told)
    except ValueError:
        return None
