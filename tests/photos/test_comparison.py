"""What counts as changed between what was sent and what came back, and which outputs are none."""

import pytest
from PIL import Image, ImageDraw

from core.errors import OutputError
from photos.comparison import compare
from removal.mask import mask_from_boxes
from tests.photos.pictures import bomb, drawn, saved

JPEG = saved(drawn())


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "BMP"])
def test_re_encoding_alone_changes_nothing(source: str, format_name: str) -> None:
    options: dict[str, object] = {"quality": 75} if format_name in {"JPEG", "WEBP"} else {}
    compared = compare(saved(drawn(1080, 1340), source), saved(drawn(1080, 1340), format_name, **options))
    assert (compared.width, compared.height, compared.format) == (1080, 1340, format_name)
    assert compared.changed_ratio < 0.0005


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_a_word_taken_off_is_seen(format_name: str) -> None:
    sent = saved(drawn(1080, 1340, text="SALE 50%"))
    assert 0.005 < compare(sent, saved(drawn(1080, 1340), format_name)).changed_ratio < 0.2


def test_a_small_faint_word_taken_off_is_seen() -> None:
    picture = drawn(1080, 1340)
    faint = picture.copy()
    ImageDraw.Draw(faint).text((500, 1000), "shop.example", fill=(128, 128, 128), font_size=40)
    watermarked = Image.blend(picture, faint, 0.5)
    assert compare(saved(watermarked), saved(picture)).changed_ratio > 0.0005


def test_another_picture_is_nearly_all_changed() -> None:
    assert compare(saved(drawn()), saved(Image.new("RGB", (600, 640), "white"))).changed_ratio > 0.9


def test_what_is_hidden_by_transparency_does_not_count() -> None:
    sent = drawn(mode="RGBA")
    sent.putalpha(0)
    output = Image.new("RGBA", sent.size, (9, 9, 9, 0))
    assert compare(saved(sent, "PNG"), saved(output, "PNG")).changed_ratio == 0


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (b"", "output_empty"),
        (b"<html>expired</html>", "output_not_image"),
        (saved(drawn(), "GIF"), "output_not_image"),
        (JPEG[:-500], "output_truncated"),
        (JPEG[:100], "output_truncated"),
        (saved(drawn(640, 600)), "output_size"),
        (bomb(), "output_size"),
    ],
    ids=["empty", "html", "gif", "cut off", "cut off early", "turned", "bomb"],
)
def test_outputs_that_are_not_what_was_asked_for(output: bytes, code: str) -> None:
    with pytest.raises(OutputError) as caught:
        compare(JPEG, output)
    assert caught.value.code == code


def test_sizes_are_named_when_they_differ() -> None:
    with pytest.raises(OutputError, match=r"640×600.*600×640"):
        compare(JPEG, saved(drawn(640, 600)))


@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_noise_of_re_encoding_is_no_change_at_all(quality: int, subsampling: int) -> None:
    sent = saved(drawn(1080, 1340, text="SALE 50%"), quality=92)
    again = saved(drawn(1080, 1340, text="SALE 50%"), quality=quality, subsampling=subsampling)
    assert compare(sent, again).changed_ratio == 0


@pytest.mark.parametrize("place", [(0, 0), (1203, 1501), (2940, 2980), (7, 2003)])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_one_small_mark_on_a_large_photo_is_a_change(place: tuple[int, int], format_name: str) -> None:
    photo = drawn(3000, 3000)
    marked = photo.copy()
    left, top = place
    ImageDraw.Draw(marked).rectangle((left, top, left + 59, top + 19), fill=(250, 250, 250))
    found = compare(saved(marked), saved(photo, format_name)).changed_ratio
    assert 0.00001 < found < 0.001


def test_changes_are_told_inside_and_outside_the_mask() -> None:
    photo = drawn(800, 800)
    marked = photo.copy()
    ImageDraw.Draw(marked).rectangle((80, 80, 239, 159), fill="white")
    mask = mask_from_boxes([(80, 80, 160, 80)], 800, 800).to_image()
    found = compare(saved(marked, "PNG"), saved(photo, "PNG"), mask=mask)
    assert found.changed_inside == pytest.approx(1, abs=0.05)
    assert found.changed_outside == 0
    assert found.changed_ratio == pytest.approx(160 * 80 / 800**2, rel=0.1)
    elsewhere = mask_from_boxes([(400, 400, 80, 80)], 800, 800).to_image()
    found = compare(saved(marked, "PNG"), saved(photo, "PNG"), mask=elsewhere)
    assert found.changed_inside == 0
    assert found.changed_outside == pytest.approx(160 * 80 / (800**2 - 80**2), rel=0.1)


def test_a_mask_over_all_has_no_outside() -> None:
    mask = Image.new("1", (600, 640), 1)
    assert compare(JPEG, saved(Image.new("RGB", (600, 640))), mask=mask).changed_outside == 0


def test_padding_does_not_count() -> None:
    sent = Image.new("RGB", (512, 512), "white")
    output = sent.copy()
    output.paste((200, 0, 0), (208, 208, 304, 304))
    found = compare(saved(sent, "PNG"), saved(output, "PNG"), box=(208, 208, 96, 96))
    assert found.changed_ratio == 1


@pytest.mark.parametrize("blue", [230, 205])
def test_a_yellow_mark_on_white_is_seen(blue: int) -> None:
    clean = Image.new("RGB", (800, 800), "white")
    marked = clean.copy()
    marked.paste((255, 255, blue), (200, 200, 600, 400))
    assert compare(saved(marked, "PNG"), saved(clean, "PNG")).changed_ratio == pytest.approx(0.125, rel=0.05)


def test_a_thin_line_is_seen() -> None:
    clean = Image.new("RGB", (800, 800), "white")
    marked = clean.copy()
    marked.paste("black", (100, 200, 401, 208))
    assert compare(saved(marked, "PNG"), saved(clean, "PNG")).changed_ratio > 0


def test_a_single_tile_counts_where_a_mask_touches_it() -> None:
    clean = Image.new("RGB", (800, 800), "white")
    marked = clean.copy()
    marked.paste((245, 245, 245), (104, 200, 112, 208))
    mask = Image.new("1", (800, 800))
    assert compare(saved(marked, "PNG"), saved(clean, "PNG"), mask=mask).changed_ratio == 0
    mask.paste(1, (104, 200, 112, 208))
    compared = compare(saved(marked, "PNG"), saved(clean, "PNG"), mask=mask)
    assert (compared.changed_inside, compared.changed_outside) == (1, 0)
