"""What files may be: what the table says, what people read of it, and what costs nothing and so has no limit."""

import io
import re
import time
from pathlib import Path

import pytest
from PIL import Image

from photos import decoders
from photos.contents import frames_in
from photos.decoders import limits
from photos.decoders.scan import scan
from photos.metadata.jpeg_segments import read_jpeg, write_jpeg
from photos.pictures import opened
from tests.photos.pictures import drawn, saved

SAID_LIMITS = {
    "all": [limits.MOST_PIXELS, limits.MOST_SIDE],
    "JPEG": [limits.MOST_SEGMENTS, limits.MOST_EXIF_SEGMENTS, limits.MOST_JUNK],
    "PNG": [limits.MOST_CHUNKS, limits.BYTES_PER_CHUNK],
    "WebP": [limits.MOST_PIXELS_OF["WEBP"]],
    "AVIF": [limits.MOST_PIXELS_OF["AVIF"]],
    "GIF": [limits.MOST_BLOCKS],
    "TIFF": [limits.MOST_PIXELS_OF["TIFF"], limits.MOST_TAGS, limits.MOST_TAG_BYTES, limits.MOST_STRIPS],
    "BMP": [limits.MOST_RUNS_BYTES],
}


def test_the_limits_that_people_read_are_those_that_count() -> None:
    table = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")
    rows = dict(
        line.strip("| ").split(" | ", 1) for line in table.splitlines() if line.startswith("| ") and " | " in line
    )
    said = {
        name: [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*\b", rows[name])] for name in SAID_LIMITS
    }
    assert said == SAID_LIMITS


def test_the_limits_of_pixels_are_one() -> None:
    from photos import pictures

    assert pictures.MAX_PIXELS == limits.MOST_PIXELS
    for name, divisor in pictures._GREEDY.items():
        assert limits.MOST_PIXELS_OF[name] == limits.MOST_PIXELS // divisor


@pytest.mark.parametrize("filled", [1, 70_000, 9_000_000])
def test_a_jpeg_may_have_any_amount_of_filling(filled: int) -> None:
    photo = saved(drawn(640, 700), "JPEG")
    first = 4 + int.from_bytes(photo[4:6], "big")
    scan_at = photo.index(b"\xff\xda")
    parts = photo[:2], photo[2:first], photo[first:scan_at], photo[scan_at:]
    padded = (b"\xff" * filled).join(parts)
    assert scan(padded) == scan(photo)
    began = time.process_time()
    assert decoders.fit(padded).sent_size == (640, 700)
    assert Image.open(io.BytesIO(photo)).tobytes() == _pixels(padded)
    assert write_jpeg(padded, read_jpeg(padded)) == write_jpeg(photo, read_jpeg(photo))
    assert frames_in(padded, "JPEG") == 1
    # Byte by byte would take a second for each million of them.
    assert time.process_time() - began < 2


def _pixels(data: bytes) -> bytes:
    with opened(data, ("JPEG",)) as image:
        return image.tobytes()
