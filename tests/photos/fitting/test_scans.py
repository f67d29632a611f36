"""A JPEG may hold any number of scans, each of which goes over all of its pixels."""

import io

import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from core.errors import OutputError, SourceRefused
from photos.comparison import compare
from photos.fitting import fit
from photos.scans import scans_in
from tests.photos.pictures import saved


def with_scans(more: int) -> bytes:
    data = saved(Image.new("L", (3000, 3000), 130), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * more + b"\xff\xd9"


def test_thousands_of_scans_are_refused_without_decoding_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data, plain = with_scans(2800), with_scans(0)
    decoded: list[int] = []
    load = JpegImageFile.load

    def noted(image: JpegImageFile) -> object:
        if isinstance(image.fp, io.BytesIO):
            decoded.append(image.fp.getbuffer().nbytes)
        return load(image)

    monkeypatch.setattr(JpegImageFile, "load", noted)
    with pytest.raises(SourceRefused, match="scans"):
        fit(data)
    with pytest.raises(OutputError, match="scans"):
        compare(plain, data)
    assert len(data) not in decoded


def test_what_cameras_and_shops_write_is_taken() -> None:
    fit(with_scans(60))


def test_what_stands_behind_the_end_is_no_scan() -> None:
    scan = b"\xff\xda\x00\x0c"
    data = saved(Image.new("L", (3000, 3000), 130), "JPEG", comment=scan * 1000) + scan * 2800
    assert scans_in(data) == 1
    fit(data)


def test_a_mark_whose_length_no_decoder_believes_hides_no_scan() -> None:
    data = with_scans(0)
    more = with_scans(9)
    at = len(data) - 2
    assert scans_in(more[:at] + b"\xff\x02\xff\xff" + more[at:]) == scans_in(data) + 9
    assert scans_in(more[:at] + b"\xff" * 1000 + more[at:]) == scans_in(data) + 9
    assert scans_in(data[:2]) == scans_in(data[:2] + b"\xff") == 0
