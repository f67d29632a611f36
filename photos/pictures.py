"""Opening, decoding and saving pictures from strangers: few decoders, one kind of error, bounded memory."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from photos.memory import MEMORY
from photos.scans import scans_in, unfilled

ALPHA_MODES = {"RGBA", "LA", "PA", "RGBa", "La"}
DEEP_MODES = {"I;16", "I;16B", "I;16L", "I;16N"}
"""Grey with 16 bits."""

DEPTH = 257
"""A byte goes to two equal ones: 255 becomes 65535, and back."""

MAX_PIXELS = 120_000_000
"""More is not decoded, and of some formats less: `most_pixels`."""

TILE = 8
"""Pixels of a side. Also the blocks of JPEG, whose means its decoder gives without decoding the pixels."""

_MOST_SCANNED = 5_000_000_000
"""Pixels times scans: two seconds of decoding, and four times what the largest photos of cameras come to."""
# The coders of the first two hold the whole picture several times over; a TIFF is copied to be painted on.
_GREEDY = {"WEBP": 3, "AVIF": 5, "TIFF": 2}
_JPEG_START = b"\xff\xd8"
_PNG_END = b"IEND\xaeB`\x82"

# Callers compare pixel counts with their bound before decoding; Pillow's own check warns through process-wide filters.
Image.MAX_IMAGE_PIXELS = None


class Undecodable(Exception):
    """No picture could be made of a file.

    Args:
        reason: What the decoder said.
    """

    def __init__(self, reason: Exception | str) -> None:
        # The decoder's own words for this hold a memory address, which would make every report differ.
        super().__init__("no known picture format" if isinstance(reason, UnidentifiedImageError) else str(reason))

    @property
    def is_truncated(self) -> bool:
        """Whether the file ends too early, rather than being wrong."""
        return "truncated" in str(self).lower()


@contextmanager
def opened(data: bytes, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """Give the picture with its header read and its pixels not yet decoded.

    Args:
        data: The file.
        formats: Pillow's names of the decoders to try, and no others.

    Raises:
        Undecodable: None of them knows it.
    """
    with MEMORY.hold_pixels():
        try:
            plain = unfilled(data) if data.startswith(_JPEG_START) else data
            image = Image.open(io.BytesIO(plain), formats=formats)
        except Exception as error:  # broken files make Pillow raise nearly anything, from SyntaxError to KeyError
            raise Undecodable(error) from error
        with image:
            yield image


def decode(image: Image.Image, data: bytes, shrink: float = 1) -> None:
    """Decode all pixels of an opened picture.

    Args:
        image: What `opened` gave.
        data: The file it was opened from.
        shrink: How much smaller the result may be. JPEGs are then decoded at 1/2, 1/4 or 1/8, which reads all of the
            file, and so finds a truncated one, at a fraction of the time and memory.

    Raises:
        Undecodable: The pixels are broken or end too early.
    """
    _check_scans(image, data)
    try:
        image.draft(None, (int(image.width / shrink), int(image.height / shrink)))
        image.load()
    except Exception as error:  # as in `opened`
        raise Undecodable(error) from error
    # The pixels of a PNG can be whole while its end is missing.
    if image.format == "PNG" and _PNG_END not in data:
        raise Undecodable("truncated: the end of the file is missing")


def _check_scans(image: Image.Image, data: bytes) -> None:
    # Each scan of a progressive JPEG goes over all of its pixels again, and takes but a few bytes.
    scans = scans_in(data) if format_family(image) == "JPEG" else 1
    if scans * image.width * image.height > _MOST_SCANNED:
        raise Undecodable(f"it has {scans:,} scans, which would take minutes to decode")


def reduced(image: Image.Image, data: bytes, side: int, *, is_exact: bool = False) -> Image.Image:
    """Decode an opened picture and return it in RGB with its longer side at most `side` pixels.

    Args:
        image: What `opened` gave.
        data: The file it was opened from.
        side: Pixels.
        is_exact: Decode at full size first. A JPEG decoded at less comes out a little different, which shows when it
            is compared with a file of another format.

    Raises:
        Undecodable: The pixels are broken or end too early.
    """
    factor = max(1.0, max(image.size) / side)
    size = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    decode(image, data, shrink=1 if is_exact else factor)
    return flattened(image).resize(size, Image.Resampling.BOX)


def tiles(image: Image.Image, data: bytes, *, is_exact: bool) -> Image.Image:
    """Decode an opened picture and return the mean colours of its tiles, in RGB.

    Args:
        image: What `opened` gave.
        data: The file it was opened from.
        is_exact: As for `reduced`.

    Raises:
        Undecodable: The pixels are broken or end too early.
    """
    size = image.size
    decode(image, data, shrink=1 if is_exact else TILE)
    by = -(-size[0] // image.width)
    return flattened(image).reduce(TILE // by) if by < TILE else flattened(image)


def flattened(image: Image.Image) -> Image.Image:
    """Return a picture in RGB with 8 bits a channel; what is transparent becomes white."""
    if image.mode in DEEP_MODES:
        return shallow(image).convert("RGB")
    if has_alpha(image):
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def shallow(image: Image.Image) -> Image.Image:
    """Return 16-bit grey with 8 bits; Pillow's own conversion cuts off at 255 instead of scaling."""
    return image.convert("I").point(lambda level: level * (1 / DEPTH) + 0.5).convert("L")


def has_alpha(image: Image.Image) -> bool:
    """Return whether a picture can be transparent somewhere."""
    return image.mode in ALPHA_MODES or "transparency" in image.info


def encoded(image: Image.Image, format_name: str, **options: object) -> bytes:
    """Return a picture as a file of the given format."""
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def most_pixels(image: Image.Image, at_most: int = MAX_PIXELS) -> int:
    """Return how many pixels an opened picture may have to be decoded, by how much memory its format needs for one."""
    return at_most // _GREEDY.get(format_family(image), 1)


def format_family(image: Image.Image) -> str:
    """Return the format; phones write JPEGs with a second picture behind the first, which Pillow calls MPO."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def icc_profile(image: Image.Image) -> bytes | None:
    """Return the embedded colour profile."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile else None
