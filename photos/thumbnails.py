"""Small upright pictures to look at."""

from core.errors import OutputError
from photos.comparison import bad_output
from photos.orientation import TURNS, orientation_of
from photos.photo import ARTIFACT_FORMATS
from photos.pictures import MAX_PIXELS, Undecodable, encoded, most_pixels, opened, reduced

_THUMBNAIL_QUALITY = 85


def thumbnail(data: bytes, side: int = 320, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return a small upright JPEG of a photo.

    Args:
        data: A photo or an artifact, in any format these can have.
        side: The longer side's length in pixels, at most.
        max_pixels: A picture of more is not decoded, as a source photo of more is refused.

    Raises:
        OutputError: It is no picture, or has too many pixels.
    """
    try:
        with opened(data, ARTIFACT_FORMATS) as image:
            if image.width * image.height > most_pixels(image, max_pixels):
                raise OutputError("output_size", f"The picture unpacks to {image.width}×{image.height}; not decoded.")
            turn = TURNS.get(orientation_of(image))
            small = reduced(image, data, side)
            upright = small if turn is None else small.transpose(turn)
            return encoded(upright, "JPEG", quality=_THUMBNAIL_QUALITY)
    except Undecodable as error:
        raise bad_output(error, data) from error
