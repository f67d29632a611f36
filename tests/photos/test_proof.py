"""An output is held against its source: what is left, and what else is gone."""

import io

import pytest
from PIL import Image, ImageDraw

from photos.findings import can_look

pytestmark = [
    pytest.mark.ocr,
    pytest.mark.skipif(not can_look(), reason="needs the extra look"),
]
ALL = (1, 2, 3, 4)


def saved(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=93)
    return file.getvalue()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image.Image, Image.Image]:
    """Return a photo with all four kinds of overlay, and its plate."""
    from sandbox.catalogue import make_catalogue

    folder = tmp_path_factory.mktemp("catalogue")
    sample = next(each for each in make_catalogue(folder, count=7) if each.elements == ALL)
    return Image.open(folder / sample.path).convert("RGB"), Image.open(folder / sample.plate).convert("RGB")


def test_a_clean_plate_is_clean_and_what_came_back_as_it_was_is_not(pair: tuple[Image.Image, Image.Image]) -> None:
    from photos.findings.look import look
    from photos.findings.proof import Proof, prove

    photo, plate = map(saved, pair)
    found = look(photo)

    def proven(output: bytes, elements: tuple[int, ...] = ALL) -> Proof:
        return prove(
            photo, output, found, elements=elements, subject_elements=elements, sure_from=0.35, damaged_from=0.0008
        )

    assert proven(plate) == Proof()
    assert len(proven(photo).left) == len([each for each in found if each.sure > 0.9])
    # What was not to be taken off is not left over.
    assert [box[0] > 0.5 for box in proven(photo, (4,)).left] == [True]


def test_what_is_gone_besides_is_damage_and_where(pair: tuple[Image.Image, Image.Image]) -> None:
    from photos.findings.look import look
    from photos.findings.proof import prove

    photo, plate = pair
    width, height = plate.size
    hurt = plate.copy()
    ImageDraw.Draw(hurt).rectangle((width * 0.04, height * 0.6, width * 0.14, height * 0.66), fill="#806040")
    found = look(saved(photo))
    proof = prove(
        saved(photo), saved(hurt), found, elements=ALL, subject_elements=ALL, sure_from=0.35, damaged_from=0.0008
    )
    assert proof.left == ()
    [(left, top, wide, tall)] = proof.damaged
    assert [left, top, wide, tall] == pytest.approx([0.04, 0.6, 0.1, 0.06], abs=0.02)
    assert proof.damaged_share == pytest.approx(0.006, abs=0.002)


def test_a_mark_is_not_taken_off_together_with_what_is_below_it(pair: tuple[Image.Image, Image.Image]) -> None:
    from photos.findings import FindingKind
    from photos.findings.look import look
    from photos.findings.proof import prove

    photo, plate = pair
    found = look(saved(photo))
    mark = next(each for each in found if each.kind is FindingKind.MARK and (each.on_subject or 0) > 0.6)
    left, top, wide, tall = mark.box
    width, height = plate.size
    hurt = plate.copy()
    box = (left * width, top * height, (left + wide) * width, (top + tall) * height)
    ImageDraw.Draw(hurt).rectangle(box, fill="#ffffff")
    proof = prove(
        saved(photo), saved(hurt), found, elements=ALL, subject_elements=ALL, sure_from=0.35, damaged_from=0.0008
    )
    assert mark.box in proof.damaged


def test_with_a_mask_all_that_changes_outside_it_is_damage(pair: tuple[Image.Image, Image.Image]) -> None:
    from photos.findings.proof import Proof, prove

    photo, plate = pair
    mask = Image.new("1", photo.size)

    def proven() -> Proof:
        return prove(
            saved(photo),
            saved(plate),
            [],
            elements=ALL,
            subject_elements=ALL,
            sure_from=0.35,
            damaged_from=0.0008,
            mask=mask,
        )

    assert proven().damaged
    mask.paste(1, (0, 0, *mask.size))
    assert proven() == Proof()
