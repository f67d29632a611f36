"""What a look at a photo finds, how sure it is, and what of that a job asks for."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photos.findings import FindingKind, PhotoFinding, as_rows, asked_for, can_look, from_rows

SOLID = PhotoFinding(FindingKind.TEXT, (0.1, 0.8, 0.4, 0.06), 0.9, is_solid=True, on_subject=0.0)
FAINT = PhotoFinding(FindingKind.TEXT, (0.1, 0.4, 0.4, 0.06), 0.9, is_solid=False, on_subject=1.0)
MARK = PhotoFinding(FindingKind.MARK, (0.1, 0.4, 0.4, 0.06), 0.9, is_solid=False, on_subject=0.5)
BLOCK = PhotoFinding(FindingKind.BLOCK, (0.7, 0.1, 0.2, 0.06), 0.9, is_solid=True, on_subject=None)


@pytest.mark.parametrize(
    ("finding", "outside", "inside", "is_asked_for"),
    [
        (SOLID, (1,), (1,), False),
        (SOLID, (3,), (), True),
        (SOLID, (), (3,), False),
        (FAINT, (), (1,), True),
        (FAINT, (1,), (), False),
        (FAINT, (4,), (4,), False),
        (MARK, (1,), (), True),
        (MARK, (), (1,), True),
        (BLOCK, (4,), (), True),
        (BLOCK, (), (4,), True),
        (BLOCK, (1,), (1,), False),
    ],
)
def test_a_job_asks_for_what_it_may_call_so_and_for_all_that_is_in_doubt(
    finding: PhotoFinding, outside: tuple[int, ...], inside: tuple[int, ...], is_asked_for: bool
) -> None:
    assert finding.is_asked_for(outside, inside) is is_asked_for


def test_what_is_not_sure_enough_does_not_count() -> None:
    unsure = PhotoFinding(FindingKind.TEXT, (0, 0, 1, 1), 0.3, is_solid=True, on_subject=None)
    assert asked_for([unsure, SOLID], (1, 2, 3, 4), (1, 2, 3, 4), sure_from=0.35) == [SOLID]
    assert asked_for([unsure, SOLID], (1, 2, 3, 4), (1, 2, 3, 4), sure_from=0.25) == [unsure, SOLID]


def test_findings_are_kept_as_json() -> None:
    assert from_rows(as_rows([SOLID, FAINT, MARK, BLOCK])) == [SOLID, FAINT, MARK, BLOCK]


needs_the_extra = pytest.mark.skipif(not can_look(), reason="needs the extra look")


@needs_the_extra
def test_short_unsure_and_small_lines_are_less_sure() -> None:
    from photos.findings.look import how_sure
    from photos.findings.text_lines import ReadLine

    def sure(text: str, score: float, height: float = 0.05, length: float = 0.1) -> float:
        wide, tall = 700 * length, 700 * height
        corners = np.asarray([(0, 0), (wide, 0), (wide, tall), (0, tall)], np.float32)
        return how_sure(ReadLine(corners, text, score), (700, 700, 3))

    assert sure("SALE", 0.98) == 1
    assert sure("C", 0.9) < 0.45
    assert sure("SALE", 0.98, height=0.009) < 0.1
    assert sure("%", 0.95) == 1
    # A script the reader does not know.
    assert sure("0", 0.7, length=0.4) > 0.5


@needs_the_extra
@pytest.mark.ocr
def test_what_the_sample_catalogue_has_on_it_is_found_and_its_plates_are_empty(tmp_path: Path) -> None:
    from photos.findings.look import look
    from sandbox.catalogue import make_catalogue

    for sample in make_catalogue(tmp_path, count=3):
        elements = sample.elements
        assert asked_for(look((tmp_path / sample.path).read_bytes()), elements, elements), sample.path
        assert asked_for(look((tmp_path / sample.plate).read_bytes()), (1, 2, 3, 4), (1, 2, 3, 4)) == [], sample.plate


@needs_the_extra
@pytest.mark.ocr
def test_kinds_and_places_are_told_apart_on_an_upright_photo(tmp_path: Path) -> None:
    from photos.findings.look import look
    from sandbox.catalogue import make_catalogue

    samples = make_catalogue(tmp_path, count=7)
    [chair] = [sample for sample in samples if sample.elements == (1, 2, 3, 4)][:1]
    photo = Image.open(tmp_path / chair.path)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.rotate(90, expand=True).save(file, "JPEG", quality=95, exif=exif)
    found = look(file.getvalue())
    assert {each.kind for each in found} == set(FindingKind)
    [badge] = [each for each in found if each.kind is FindingKind.BLOCK]
    left, top, width, height = badge.box
    assert left > 0.5
    assert top < 0.1
    assert left + width == pytest.approx(0.955, abs=0.02)
    assert 0.05 < height < 0.15


@needs_the_extra
def test_a_product_of_one_colour_is_no_block_that_lettering_stands_on() -> None:
    from photos.findings.grounds import find_block
    from photos.findings.text_lines import ReadLine

    def block_of(tall: int) -> tuple[int, int, int, int] | None:
        picture = np.full((500, 500, 3), 240, np.uint8)
        picture[100 : 100 + tall, 100:350] = (40, 40, 90)
        # Letters, more or less.
        picture[110:130:2, 130:230:6] = 255
        corners = np.asarray([(125, 105), (235, 105), (235, 135), (125, 135)], np.float32)
        return find_block(picture, ReadLine(corners, "SALE", 1.0))

    assert block_of(60) == (100, 100, 250, 60)
    assert block_of(240) is None
