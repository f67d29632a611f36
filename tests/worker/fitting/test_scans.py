"""A JPEG may hold any number of scans, each of which goes over all of its pixels."""

import time

import pytest
from PIL import Image

from core.errors import OutputError, SourceRefused
from tests.worker.photos import saved
from worker.comparing import compare
from worker.fitting import fit


def with_scans(more: int) -> bytes:
    data = saved(Image.new("L", (3000, 3000), 130), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * more + b"\xff\xd9"


def test_thousands_of_scans_are_refused_without_decoding_them() -> None:
    data, began = with_scans(2800), time.monotonic()
    with pytest.raises(SourceRefused, match="scans"):
        fit(data)
    with pytest.raises(OutputError, match="scans"):
        compare(with_scans(0), data)
    assert time.monotonic() - began < 2


def test_what_cameras_and_shops_write_is_taken() -> None:
    fit(with_scans(60))
