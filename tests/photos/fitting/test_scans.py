"""A JPEG may hold any number of scans, each of which goes over all of its pixels."""

import io

import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from core.errors import OutputError, SourceRefused
from photos.comparison import compare
from photos.fitting import fit
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
