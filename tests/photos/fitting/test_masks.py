"""A mask follows its photo: what it covered before fitting it covers after."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from core.errors import UsageError
from photos.fitting import fit
from removal.bounds import Bounds
from tests.photos.fitting.kinds import KINDS, flat
from tests.photos.pictures import drawn, highest, saved

SMALL = Bounds(min_side=512, max_side=800, max_bytes=300_000)


def marked(size: tuple[int, int], box: tuple[int, int, int, int], orientation: int) -> tuple[bytes, Image.Image]:
    """Return a black photo with a white box where its mask is, as it is seen, stored turned."""
    photo = Image.new("RGB", size)
    left, top, width, height = box
    place = (left, top, left + width - 1, top + height - 1)
    ImageDraw.Draw(photo).rectangle(place, fill="white")
    mask = Image.new("1", size)
    ImageDraw.Draw(mask).rectangle(place, fill=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = photo.transpose(turns[orientation]) if orientation in turns else photo
    return saved(stored, "PNG", exif=exif), mask


@given(
    st.sampled_from([(100, 80), (600, 530), (1300, 200), (140, 1500)]),
    st.tuples(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.01, 1), st.floats(0.01, 1)),
    st.sampled_from([1, 3, 6, 8]),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_a_mask_stays_on_what_it_covered(
    size: tuple[int, int], shares: tuple[float, float, float, float], orientation: int
) -> None:
    left, top = int(shares[0] * size[0]), int(shares[1] * size[1])
    box = (left, top, max(1, int(shares[2] * (size[0] - left))), max(1, int(shares[3] * (size[1] - top))))
    source, mask = marked(size, box, orientation)
    fitted = fit(source, SMALL)
    sent = fitted.plan.transform_mask(mask)
    assert sent.size == fitted.sent_size
    x, y, width, height = fitted.plan.photo_box
    photo = flat(fitted.sent).crop((x, y, x + width, y + height)).convert("L")
    inside = sent.crop((x, y, x + width, y + height)).convert("L")
    uncovered = highest(ImageChops.subtract(photo, inside))
    assert uncovered <= 40, "what is white of it is inside, but for ringing"
    outside = sent.convert("L")
    outside.paste(0, (x, y, x + width, y + height))
    assert outside.getbbox() is None, "padding is never inside"
    area, wanted = inside.histogram()[255], box[2] * box[3] * width * height / (size[0] * size[1])
    assert area <= wanted + 4 * (width + height) + 16, "no more than two pixels around it"


def test_a_thin_stroke_survives_scaling() -> None:
    photo = saved(drawn(4000, 900))
    mask = Image.new("1", (4000, 900))
    ImageDraw.Draw(mask).line((0, 450, 3999, 450), fill=1)
    fitted = fit(photo, SMALL)
    sent = fitted.plan.transform_mask(mask)
    left, _, right, _ = sent.getbbox() or (0, 0, 0, 0)
    assert (left, right) == (0, 800)


def test_a_mask_of_another_size_is_none_of_this_photo() -> None:
    fitted = fit(KINDS["jpeg turned 6"](700, 520))
    with pytest.raises(UsageError, match="520×700"):
        fitted.plan.transform_mask(Image.new("1", (700, 520)))
