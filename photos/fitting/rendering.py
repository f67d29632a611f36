"""Making the picture that is sent: scaled, turned upright, padded."""

from PIL import Image

from photos.fitting.colours import Colours
from photos.fitting.plan import Plan

_BAND_PIXELS = 4_000_000


def rendered(image: Image.Image, plan: Plan, colours: Colours) -> Image.Image:
    """Return a photo in RGB as its plan says.

    Args:
        image: The decoded source; a JPEG may have been decoded smaller, though not below the size it is sent with.
        plan: What to do.
        colours: The photo's way to RGB.
    """
    upright = _scaled(image, plan, colours)
    if plan.turn is not None:
        upright = upright.transpose(plan.turn)
    return _padded(upright, plan) if plan.is_padded else upright


def _scaled(image: Image.Image, plan: Plan, colours: Colours) -> Image.Image:
    width, height = plan.stored_size
    if image.size == plan.stored_size and image.width * image.height <= _BAND_PIXELS:
        return colours.rgb(image)
    # What a JPEG decoder shrinks by 2, 4 or 8 it rounds up to whole pixels.
    drafted = max(1, round(plan.source_size[0] / image.width), round(plan.source_size[1] / image.height))
    by = max(1, min(image.width // width, image.height // height))
    exact = (0.0, 0.0, plan.source_size[0] / drafted / by, plan.source_size[1] / drafted / by)
    smaller = Image.new("RGB", (-(-image.width // by), -(-image.height // by)))
    # Bands, so that no second copy of a large photo exists in RGB.
    rows = max(1, _BAND_PIXELS // image.width // by) * by
    for top in range(0, image.height, rows):
        band = colours.rgb(image.crop((0, top, image.width, min(top + rows, image.height))))
        smaller.paste(band.reduce(by) if by > 1 else band, (0, top // by))
    if smaller.size == plan.stored_size:
        return smaller
    return smaller.resize(plan.stored_size, Image.Resampling.LANCZOS, box=exact)


def _padded(photo: Image.Image, plan: Plan) -> Image.Image:
    """Put a photo in the middle, where the main subject is looked for, and draw its edges out to the sides.

    Scaling it up would do as well for the API, but then not one pixel could be given back as it was.
    """
    left, top, width, height = plan.photo_box
    full_width, full_height = plan.sent_size
    right, bottom = left + width, top + height
    sent = Image.new("RGB", plan.sent_size)
    sent.paste(photo, (left, top))
    edges = {
        (0, top, left, bottom): (left, top, left + 1, bottom),
        (right, top, full_width, bottom): (right - 1, top, right, bottom),
        # The rows above and below are taken across the full width, so that they fill the corners as well.
        (0, 0, full_width, top): (0, top, full_width, top + 1),
        (0, bottom, full_width, full_height): (0, bottom - 1, full_width, bottom),
    }
    for area, edge in edges.items():
        size = (area[2] - area[0], area[3] - area[1])
        if min(size) > 0:
            sent.paste(sent.crop(edge).resize(size, Image.Resampling.NEAREST), area[:2])
    return sent
