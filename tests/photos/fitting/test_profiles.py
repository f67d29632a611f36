"""A colour profile put into a finished file, whose pixels stay as they are."""

import io

import pytest
from PIL import Image

from photos.fitting.profiles import with_profile
from tests.photos.pictures import drawn, saved


@pytest.mark.parametrize("size", [1, 3000, 65_519, 65_520, 500_000])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_the_profile_is_in_and_the_pixels_are_untouched(format_name: str, size: int) -> None:
    profile = bytes(level % 251 for level in range(size))
    plain = saved(drawn(), format_name)
    finished = with_profile(plain, format_name, profile)
    assert finished is not None
    with Image.open(io.BytesIO(finished)) as after, Image.open(io.BytesIO(plain)) as before:
        assert after.info["icc_profile"] == profile
        assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize(("format_name", "profile"), [("BMP", b"x"), ("JPEG", bytes(17_000_000))])
def test_what_has_no_room_for_a_profile_says_so(format_name: str, profile: bytes) -> None:
    assert with_profile(saved(drawn(), format_name), format_name, profile) is None
