"""Real erasing: what is asked for goes, what is not asked for stays."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from sandbox import erasers
from sandbox.erasers import FlatEraser
from sandbox.service import DRAWN_AT_ONCE
from sandbox.wish import Wish
from tests.sandbox.calls import call, output_of
from tests.sandbox.conftest import Start

ALL = frozenset({1, 2, 3, 4})
NONE: frozenset[int] = frozenset()


def poster() -> Image.Image:
    """A dark box in the middle of white, a name on it, a line above it and a badge below it."""
    picture = Image.new("RGB", (900, 900), "#ffffff")
    draw = ImageDraw.Draw(picture)
    face = ImageFont.load_default(56)
    draw.rectangle((200, 260, 700, 640), fill="#27548a")
    draw.text((300, 410), "NORTHFOLD", font=face, fill="#ffffff")
    draw.text((250, 90), "FREE SHIPPING", font=face, fill="#c01818")
    draw.rounded_rectangle((330, 740, 640, 840), 14, fill="#0b7a4b")
    draw.text((365, 755), "SALE 50", font=face, fill="#ffffff")
    return picture


def words(picture: Image.Image) -> str:
    import cv2
    import numpy as np

    from sandbox.erase.engine import read_lines

    lines = read_lines(cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2BGR))
    return " ".join(line.text.replace(" ", "").upper() for line in lines)


def test_flat_eraser_fills_masks_only() -> None:
    picture = Image.new("RGB", (600, 600), "#808080")
    picture.paste("#ff0000", (100, 100, 150, 150))
    mask = Image.new("L", picture.size)
    mask.paste(255, (100, 100, 150, 150))
    eraser = FlatEraser()
    filled = eraser.erase(picture, Wish(mask=mask))
    assert filled is not None
    assert filled.getcolors() == [(360000, (128, 128, 128))]
    assert eraser.erase(picture, Wish(ALL, ALL)) is None


@pytest.mark.ocr
@pytest.mark.parametrize(
    ("wish", "gone", "kept"),
    [
        (Wish(ALL, ALL), {"NORTHFOLD", "FREESHIPPING", "SALE50"}, set()),
        (Wish(NONE, ALL), {"FREESHIPPING", "SALE50"}, {"NORTHFOLD"}),
        (Wish(ALL, NONE), {"NORTHFOLD"}, {"FREESHIPPING", "SALE50"}),
        (Wish(NONE, frozenset({4})), {"SALE50"}, {"NORTHFOLD", "FREESHIPPING"}),
        (Wish(frozenset({2}), frozenset({2}), ("northfold",)), {"NORTHFOLD"}, {"FREESHIPPING", "SALE50"}),
    ],
    ids=["everything", "beside", "on-subject", "blocks", "names"],
)
def test_elements_and_places(wish: Wish, gone: set[str], kept: set[str]) -> None:
    from sandbox.erase.eraser import OcrEraser

    erased = OcrEraser().erase(poster(), wish)
    assert erased is not None
    left = words(erased)
    assert not {word for word in gone if word in left}
    assert {word for word in kept if word in left} == kept


@pytest.mark.ocr
def test_blocks_go_whole_and_background_comes_back() -> None:
    from sandbox.erase.eraser import OcrEraser

    erased = OcrEraser().erase(poster(), Wish(NONE, frozenset({4})))
    assert erased is not None
    low = erased.crop((300, 700, 700, 880)).convert("L").getextrema()
    assert low == (255, 255)


@pytest.mark.ocr
def test_nothing_to_remove_is_an_echo(start: Start) -> None:
    _, client = start(echo=False)
    buffer = io.BytesIO()
    Image.new("RGB", (600, 600), "#d0d4d8").save(buffer, "JPEG")
    assert output_of(client, call(client, buffer.getvalue())) == buffer.getvalue()


@pytest.mark.ocr
def test_samples_come_out_clean(start: Start, tmp_path: Path) -> None:
    from sandbox.catalogue import make_catalogue
    from tests.sandbox.measure import cleanness

    server, client = start(echo=False)
    for sample in make_catalogue(tmp_path, count=3):
        sent = (tmp_path / sample.path).read_bytes()
        with (
            Image.open(tmp_path / sample.path) as photo,
            Image.open(io.BytesIO(output_of(client, call(client, sent)))) as output,
            Image.open(tmp_path / sample.plate) as plate,
        ):
            assert output.size == photo.size
            assert output.format == photo.format
            result = cleanness(photo, output, plate)
            assert result.words == (), sample
            assert result.psnr > 27, (sample, result)
            assert result.psnr > result.psnr_before + 4, (sample, result)
    assert server.stats()["by_code"] == {"200": 3}


class Counting:
    """An eraser that sees how many photos it has at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._full = threading.Event()
        self.most = 0

    def erase(self, image: Image.Image, wish: Wish) -> Image.Image:  # noqa: ARG002 - every eraser's signature
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            if self._now == DRAWN_AT_ONCE:
                self._full.set()
        assert self._full.wait(60)
        time.sleep(0.05)  # in which one too many could come in
        with self._lock:
            self._now -= 1
        return image


def test_no_more_photos_at_once_than_there_are_cores(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    eraser = Counting()
    monkeypatch.setattr(erasers, "_eraser", eraser)
    _, client = start(echo=False)
    with ThreadPoolExecutor(6 * DRAWN_AT_ONCE) as threads:
        answers = list(threads.map(lambda _: call(client), range(6 * DRAWN_AT_ONCE)))
    assert {answer.status_code for answer in answers} == {200}
    assert eraser.most == DRAWN_AT_ONCE
