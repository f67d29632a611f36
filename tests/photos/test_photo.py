"""Looking at photos: what is let through, what is refused and why, and thumbnails."""

import io
import struct
import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms

from core.errors import OutputError, SourceRefused
from photos.comparison import compare
from photos.fitting import fit
from photos.photo import ANY_PHOTO, inspect
from photos.thumbnails import thumbnail
from removal.bounds import Bounds
from tests.photos.pictures import bomb, drawn, highest, png_chunk, png_header, saved

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
JPEG = saved(drawn())
PNG = saved(drawn(512, 512), "PNG")
BMP = saved(drawn(512, 512), "BMP")


def refusal(data: bytes, bounds: Bounds = ANY_PHOTO, **limits: int) -> SourceRefused:
    with pytest.raises(SourceRefused) as caught:
        inspect(data, bounds, **limits)
    return caught.value


def oriented(orientation: int, big_endian: bool = False) -> bytes:
    exif = Image.Exif()
    exif.endian = ">" if big_endian else "<"
    exif[0x010E] = "a photo"
    exif[0x0112] = orientation
    return saved(drawn(), exif=exif)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA"])
def test_ordinary_photos_are_taken(mode: str) -> None:
    photo = inspect(saved(drawn(600, 640, mode), "PNG", icc_profile=ICC))
    assert (photo.width, photo.height, photo.format, photo.mode) == (600, 640, "PNG", mode)
    assert (photo.animated, photo.has_alpha, photo.exif_orientation) == (False, mode in {"RGBA", "LA"}, 1)
    assert photo.icc == ICC


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}])
def test_jpegs_of_every_kind_are_taken(options: dict[str, Any]) -> None:
    assert inspect(saved(drawn(), **options)).format == "JPEG"


def test_bmp_is_taken() -> None:
    assert inspect(BMP).format == "BMP"


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read(orientation: int, big_endian: bool) -> None:
    assert inspect(oriented(orientation, big_endian)).exif_orientation == orientation


@pytest.mark.parametrize("exif", [b"", b"Exif\x00\x00", b"II*\x00", b"MM\x00*\x00\x00\x00\x08\xff\xff", b"x" * 100])
def test_broken_exif_is_no_obstacle(exif: bytes) -> None:
    assert inspect(saved(drawn(), exif=exif)).exif_orientation == 1


@pytest.mark.parametrize(("width", "height"), [(512, 512), (3000, 512), (512, 3000)])
def test_the_bounds_themselves_are_inside(width: int, height: int) -> None:
    photo = inspect(saved(drawn(width, height)))
    assert (photo.width, photo.height) == (width, height)


@pytest.mark.parametrize(
    ("width", "height", "code", "bound"),
    [(400, 400, "too_small", "512"), (511, 900, "too_small", "512"), (900, 3001, "too_large_sides", "3000")],
)
def test_sizes_outside_the_bounds(width: int, height: int, code: str, bound: str) -> None:
    error = refusal(saved(drawn(width, height)))
    assert error.code == code
    assert f"{width}×{height}" in str(error)
    assert bound in str(error)


def test_a_file_of_too_many_bytes() -> None:
    assert refusal(JPEG + bytes(10_000_000)).code == "too_many_bytes"
    assert refusal(JPEG, Bounds(max_bytes=1000)).code == "too_many_bytes"


def test_a_bomb_is_not_decoded() -> None:
    assert refusal(bomb()).code == "bomb"
    assert refusal(JPEG, max_pixels=1000).code == "bomb"


def animated_png() -> bytes:
    frames = [drawn(512, 512, text=word) for word in ("one", "two")]
    return saved(frames[0], "PNG", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        pytest.param(b"", "empty_file", "empty", id="empty"),
        pytest.param(b"just some text", "not_an_image", "not a picture", id="text"),
        pytest.param(bytes(1000), "not_an_image", "not a picture", id="zeros"),
        pytest.param(b"\n<!DOCTYPE html><title>404", "not_an_image", "HTML", id="html"),
        pytest.param(b"%PDF-1.7 ...", "not_an_image", "PDF", id="pdf"),
        pytest.param(b"PK\x03\x04....", "not_an_image", "ZIP", id="zip"),
        pytest.param(b'{"error": 1}', "not_an_image", "JSON", id="json"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "format_unsupported", "SVG", id="svg"),
        pytest.param(b'<?xml version="1.0"?>\n<svg/>', "format_unsupported", "SVG", id="svg with prologue"),
        pytest.param(saved(drawn(), "GIF"), "format_unsupported", "GIF", id="gif"),
        pytest.param(saved(drawn(), "WEBP"), "format_unsupported", "WebP", id="webp"),
        pytest.param(saved(drawn(), "TIFF"), "format_unsupported", "TIFF", id="tiff"),
        pytest.param(b"\x00\x00\x00\x1cftypavif....", "format_unsupported", "AVIF", id="avif"),
        pytest.param(b"\x00\x00\x00\x1cftypheic....", "format_unsupported", "HEIC", id="heic"),
        pytest.param(b"\x00\x00\x00\x1cftypisom....", "not_an_image", "video", id="video"),
        pytest.param(saved(drawn(mode="CMYK")), "mode_unsupported", "CMYK", id="cmyk"),
        pytest.param(saved(drawn(mode="I;16"), "PNG"), "mode_unsupported", "I;16", id="16 bit"),
        pytest.param(animated_png(), "animated", "animated", id="animated"),
        pytest.param(JPEG[:200], "truncated", "cut off", id="a JPEG's first bytes"),
        pytest.param(PNG[:30], "corrupt", "PNG", id="a PNG's first bytes"),
        pytest.param(png_header(0, 600) + png_chunk(b"IEND", b""), "", "", id="no width"),
        pytest.param(png_header(600, 600) + png_chunk(b"IEND", b""), "", "", id="no pixels"),
        pytest.param(
            png_header(600, 600) + png_chunk(b"IDAT", b"junk" * 100) + png_chunk(b"IEND", b""),
            "corrupt",
            "PNG",
            id="junk",
        ),
        pytest.param(PNG.replace(b"IDAT", b"IDAX"), "", "", id="unknown chunk"),
        pytest.param(BMP[:18] + struct.pack("<ii", -600, 600) + BMP[26:], "", "", id="bmp of negative width"),
        pytest.param(
            BMP[:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + BMP[26:], "bomb", "", id="bmp of absurd size"
        ),
        pytest.param(BMP[:10] + b"\xff" * 44 + BMP[54:], "", "", id="bmp of nonsense"),
    ],
)
def test_what_is_refused_and_how_it_is_called(data: bytes, code: str, words: str) -> None:
    error = refusal(data)
    assert not code or error.code == code
    assert words in str(error)
    assert "0x" not in str(error)


@pytest.mark.parametrize(
    "data", [JPEG, saved(drawn(), progressive=True), PNG, BMP], ids=["JPEG", "progressive", "PNG", "BMP"]
)
@pytest.mark.parametrize("missing", [1, 2, 10, 1000, 0.1, 0.5])
def test_a_cut_off_photo_is_noticed(data: bytes, missing: float) -> None:
    cut = int(missing if missing >= 1 else missing * len(data))
    assert refusal(data[:-cut]).code == "truncated"


def test_junk_behind_a_photo_does_not_matter() -> None:
    assert inspect(JPEG + b"junk" * 100).format == "JPEG"
    assert inspect(PNG + b"junk" * 100).format == "PNG"


FUZZ = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
FILES = st.sampled_from([saved(drawn(512, 512), quality=60), PNG, BMP[:200_000]])


@given(FILES, st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8), st.floats(0, 1))
@FUZZ
def test_damaged_files_are_taken_or_refused_and_nothing_else(
    data: bytes, flips: list[tuple[float, int]], kept: float
) -> None:
    damaged = bytearray(data)
    for at, value in flips:
        damaged[int(at * len(damaged))] = value
    for part in (bytes(damaged), bytes(damaged[: int(kept * len(damaged))])):
        with suppress(SourceRefused):
            inspect(part)


@given(FILES, st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), min_size=1, max_size=4))
@FUZZ
def test_damaged_headers_are_taken_or_refused_and_nothing_else(data: bytes, flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in flips:
        damaged[at] = value
    with suppress(SourceRefused):
        inspect(bytes(damaged), max_pixels=2_000_000)


def read(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("data", [b"", b"<html>", JPEG[:-500], bomb()], ids=["empty", "html", "cut off", "bomb"])
def test_what_is_no_picture_has_no_thumbnail(data: bytes) -> None:
    with pytest.raises(OutputError):
        thumbnail(data)


@pytest.mark.parametrize("format_name", ["WEBP", "TIFF", "AVIF"])
def test_a_photo_that_is_too_large_to_be_fitted_is_not_decoded_for_its_thumbnail(
    format_name: str,
) -> None:
    data = saved(drawn(600, 640), format_name)
    with pytest.raises(SourceRefused, match="not decoded"):
        fit(data, max_pixels=600 * 640)
    with pytest.raises(OutputError, match="not decoded"):
        thumbnail(data, max_pixels=600 * 640)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "AVIF"])
def test_thumbnails_are_small_jpegs(format_name: str) -> None:
    image = read(thumbnail(saved(drawn(1080, 1340), format_name), side=320))
    assert (image.format, image.size) == ("JPEG", (258, 320))


def test_thumbnails_are_upright() -> None:
    assert read(thumbnail(oriented(6), side=320)).size == (320, 300)


def test_many_threads_may_look_at_once() -> None:
    found: list[float] = []

    def work() -> None:
        inspect(JPEG)
        found.append(compare(JPEG, JPEG).changed_ratio)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0.0] * 16


@pytest.mark.parametrize("mode", ["I;16", "CMYK"])
def test_thumbnails_of_deep_and_printed_photos_show_them(mode: str) -> None:
    picture = drawn(mode="RGB" if mode == "CMYK" else "L")
    if mode == "I;16":
        deep = picture.convert("I").point(lambda level: level * 257).convert("I;16")
    else:
        deep = picture.convert(mode)
    shown = read(thumbnail(saved(deep, "TIFF"), side=640)).convert("L")
    assert highest(ImageChops.difference(shown, picture.convert("L").resize(shown.size))) < 40


def test_a_provider_with_other_bounds_is_another_matter() -> None:
    webp = Bounds(min_side=256, formats=("JPEG", "WEBP"))
    assert inspect(saved(drawn(300, 300), "WEBP"), webp).format == "WEBP"
    assert refusal(saved(drawn(200, 300)), webp).code == "too_small"
    assert "JPEG and WEBP" in str(refusal(PNG, webp))
    assert refusal(saved(drawn(300, 300), "WEBP")[:-200], webp).code in {"corrupt", "truncated"}
