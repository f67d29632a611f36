"""The stand-in API keeps its quota to the call, and tells photos apart."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.counting import most_in_a_second
from bench.pictures import Pictures, number_in
from bench.standin import Counts


@given(st.lists(st.floats(0, 0.4), min_size=1, max_size=200), st.integers(1, 12))
def test_no_second_holds_more_than_the_quota(gaps: list[float], rate: int) -> None:
    counts, now = Counts(rate, 0.0), 0.0
    with pytest.MonkeyPatch.context() as patch:
        for gap in gaps:
            now += gap
            patch.setattr(time, "monotonic", lambda now=now: now)
            before = [at for at in counts.accepted if now - at < 1.0]
            assert counts.take() == (len(before) < rate)
    assert most_in_a_second([round(at * 1e6) for at in counts.accepted]) <= rate
    assert len(counts.accepted) + counts.refused == len(gaps)


def test_without_a_quota_all_are_accepted() -> None:
    counts = Counts(0, 0.0)
    assert all(counts.take() for _ in range(1000))


def test_every_photo_is_another_file_and_says_its_number() -> None:
    pictures = Pictures()
    files = {pictures.photo(number) for number in range(60)} | {pictures.output(number) for number in range(60)}
    assert len(files) == 120
    assert number_in(pictures.photo(57)[:40]) == 57
    assert all(60_000 <= len(file) <= 100_000 for file in files)


def test_files_are_pictures_that_differ_from_their_outputs() -> None:
    from io import BytesIO

    pictures = Pictures()
    with Image.open(BytesIO(pictures.photo(3))) as photo, Image.open(BytesIO(pictures.output(3))) as output:
        assert photo.size == output.size == (640, 800)
        assert photo.tobytes() != output.tobytes()
