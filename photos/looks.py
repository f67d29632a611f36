"""Looking at a photo's header: what it is, and how large it is seen."""

from photos.comparison import bad_output
from photos.fitting.original import check_pixels, describe, source
from photos.orientation import orientation_of, seen_size
from photos.photo import ARTIFACT_FORMATS, Photo
from photos.pictures import Undecodable, opened

_PNG_END = b"IEND"
_JPEG_END, _JPEG_SCAN = b"\xff\xd9", b"\xff\xda"


def look_at(data: bytes) -> Photo:
    """Return what a photo is; only one that seems cut off is decoded.

    Raises:
        SourceRefused: As `fit` does.
    """
    with source(data) as image:
        photo = describe(image, data)
        if _may_be_cut_off(photo.format, data):
            check_pixels(image, data)
    return photo


def seen_size_of(data: bytes) -> tuple[int, int]:
    """Return a picture's width and height as it is seen.

    Raises:
        OutputError: It is none.
    """
    try:
        with opened(data, ARTIFACT_FORMATS) as image:
            return seen_size(*image.size, orientation_of(image))
    except Undecodable as error:
        raise bad_output(error, data) from error


def _may_be_cut_off(format_name: str, data: bytes) -> bool:
    """Whether the end of a file is missing as far as its marks tell, so that only decoding shows it."""
    if format_name == "JPEG":
        # Within a scan neither mark can occur; a thumbnail has both, before the photo's own scan.
        return data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN)
    if format_name == "PNG":
        return _PNG_END not in data[-4096:]
    return False
