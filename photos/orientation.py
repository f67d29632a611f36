"""Reading the EXIF orientation by itself.

Pillow's own reader parses every tag and warns about broken ones; one number is needed here, and files from the wild
break EXIF in many ways.
"""

from PIL.Image import Image, Transpose

UPRIGHT = 1
_ORIENTATION_TAG = 0x0112

TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns a picture upright, by orientation."""


_OPPOSITES = {Transpose.ROTATE_90: Transpose.ROTATE_270, Transpose.ROTATE_270: Transpose.ROTATE_90}
_FIRST_QUARTER_TURN = 5


def turn_back(orientation: int) -> Transpose | None:
    """Return what turns an upright picture as it is stored; None when that is the same."""
    turn = TURNS.get(orientation)
    return _OPPOSITES.get(turn, turn) if turn is not None else None


def seen_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return the size of a picture as it is seen; also that of an upright one as it is stored."""
    return (height, width) if orientation >= _FIRST_QUARTER_TURN else (width, height)


def orientation_of(image: Image) -> int:
    """Return the orientation, 1 to 8, of an opened picture."""
    # Pillow turns TIFFs upright by itself.
    return UPRIGHT if image.format == "TIFF" else exif_orientation(image.info.get("exif"))


def exif_orientation(exif: object) -> int:
    """Return the orientation, 1 to 8, of an EXIF block; 1 when it has none or is broken.

    Args:
        exif: What Pillow keeps as `info["exif"]`: a TIFF header and tags, often after `Exif` and two zero bytes.
    """
    if not isinstance(exif, bytes):
        return UPRIGHT
    block = exif.removeprefix(b"Exif\x00\x00")
    if block[:4] not in {b"II*\x00", b"MM\x00*"}:
        return UPRIGHT
    order = "little" if block[:1] == b"I" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size], order)  # type: ignore[arg-type]

    first = number(4, 4)
    for entry in range(first + 2, min(first + 2 + 12 * number(first, 2), len(block) - 11), 12):
        if number(entry, 2) == _ORIENTATION_TAG:
            value = number(entry + 8, 2)
            return value if value in TURNS else UPRIGHT
    return UPRIGHT
