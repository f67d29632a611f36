"""What a photo tells beside its picture comes out again, or nothing of it when nothing is to be told."""

import io
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from core.errors import SourceRefused
from photos.comparison import compare
from photos.decoders.scan import scan
from photos.fitting import Restored, fit, restore
from photos.metadata import MOST_BYTES, read, rewritten
from tests.photos.fitting.kinds import SRGB
from tests.photos.fitting.test_artifact import edited
from tests.photos.metadata.telling import (
    ALL,
    EXIF_DIRECTORY,
    IPTC,
    THUMBNAIL,
    XMP,
    exif,
    jpeg,
    png,
    resources,
    segment,
    told,
    webp,
    with_thumbnail,
)
from tests.photos.pictures import drawn, png_chunk, saved

pytestmark = [
    pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO"),
    pytest.mark.filterwarnings("ignore:Corrupt EXIF data"),
    pytest.mark.filterwarnings("ignore:Truncated File Read"),
]

SECRETS = (b"Ours", b"A red shirt", b"a red shirt", b"Maria", b"a comment", THUMBNAIL[:30])


def made(source: bytes, output_format: str, *, is_bare: bool = False) -> Restored:
    fitted = fit(source)
    output = edited(fitted, output_format)
    compared = compare(fitted.sent, output, box=fitted.plan.photo_box)
    return restore(output, source, fitted, compared, is_bare=is_bare)


@pytest.mark.parametrize("output_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("format_name", ALL)
def test_all_that_a_photo_tells_comes_out_again(format_name: str, output_format: str) -> None:
    source = ALL[format_name]()
    artifact = made(source, output_format)
    assert artifact.format == format_name
    assert artifact.losses == ()
    assert told(artifact.data) == told(source)
    assert told(source)


@pytest.mark.parametrize("format_name", ALL)
def test_nothing_shows_the_photo_as_it_was(format_name: str) -> None:
    artifact = made(ALL[format_name](), "PNG")
    assert THUMBNAIL[:30] not in artifact.data
    assert b"another picture" not in artifact.data
    assert b"signed" not in artifact.data


@pytest.mark.parametrize("format_name", ALL)
def test_stripped_of_it_a_photo_tells_its_colours_only(format_name: str) -> None:
    options: dict[str, Any] = {} if format_name in {"GIF", "BMP"} else {"icc_profile": SRGB}
    source = ALL[format_name](**options)
    fitted = fit(source)
    echo = restore(fitted.sent, source, fitted, compare(fitted.sent, fitted.sent), is_bare=True)
    for data in (made(source, "JPEG", is_bare=True).data, echo.data):
        assert not told(data).keys() - {"gamma"}
        assert not [secret for secret in SECRETS if secret in data]
        with Image.open(io.BytesIO(data)) as image:
            assert image.info.get("icc_profile") == options.get("icc_profile")
    with Image.open(io.BytesIO(echo.data)) as after, Image.open(io.BytesIO(source)) as before:
        assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize("format_name", [name for name in ALL if name != "AVIF"])
def test_what_was_taken_off_can_be_given_back(format_name: str) -> None:
    source = ALL[format_name]()
    bare = rewritten(source, format_name, source, is_bare=True)
    assert bare is not None
    again = rewritten(bare, format_name, source, is_bare=False)
    assert again is not None
    assert told(again) == told(source)


@pytest.mark.parametrize("is_bare", [False, True])
@pytest.mark.parametrize("source", [jpeg(orientation=6), saved(drawn(), "WEBP", exif=exif(6), lossless=True)])
def test_a_photo_stays_turned_as_it_is(source: bytes, is_bare: bool) -> None:
    with Image.open(io.BytesIO(made(source, "PNG", is_bare=is_bare).data)) as image:
        assert image.getexif().get(0x0112) == 6


def test_a_picture_behind_a_jpeg_goes_with_what_it_tells() -> None:
    source = jpeg() + jpeg()
    bare = rewritten(source, "JPEG", source, is_bare=True)
    assert bare is not None
    assert not [secret for secret in SECRETS if secret in bare]


def test_exif_that_is_written_in_figures_is_kept_without_its_thumbnail_and_turn() -> None:
    block = with_thumbnail(exif(6))
    told_in_figures = f"\nexif\n    {len(block) + 6}\n{(b'Exif' + bytes(2) + block).hex()}\n"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Raw profile type exif", told_in_figures, zip=True)
    source = saved(drawn(), "PNG", pnginfo=texts)
    kept = rewritten(source, "PNG", source, is_bare=False)
    assert kept is not None
    assert told(kept)["copyright"] == "Ours"
    assert THUMBNAIL[:30] not in kept
    with Image.open(io.BytesIO(kept)) as image:
        assert image.getexif().get(0x0112) == 1


def test_iptc_and_xmp_that_are_written_in_figures_are_kept_without_their_thumbnails() -> None:
    texts = PngImagePlugin.PngInfo()
    xmp = XMP + b"<xmp:Thumbnails>" + THUMBNAIL + b"</xmp:Thumbnails>"
    for name, body in (("8bim", resources()), ("xmp", xmp)):
        texts.add_text(f"Raw profile type {name}", f"\n{name}\n{len(body):8d}\n{body.hex()}\n", zip=name == "xmp")
    source = saved(drawn(), "PNG", pnginfo=texts)
    kept = rewritten(source, "PNG", source, is_bare=False)
    assert kept is not None
    assert told(kept)["xmp"] == XMP
    assert IPTC.hex().encode() in kept
    assert THUMBNAIL[:30].hex().encode() not in kept


@pytest.mark.parametrize(
    ("block", "copyright"),
    [
        (b"II*\x00\xff\xff\xff\xff", None),
        (b"MM\x00*\x00\x00\x00\x08\xff\xff", None),
        (b"nothing that anybody knows", None),
        (exif()[:-30], "Ours"),
    ],
)
def test_broken_exif_is_left_out_and_told_of_or_kept_as_far_as_it_goes(block: bytes, copyright: str | None) -> None:
    plain = saved(drawn(), "JPEG", quality=90)
    source = plain[:20] + segment(0xE1, b"Exif\x00\x00" + block) + plain[20:]
    artifact = made(source, "JPEG")
    assert bool(artifact.losses) == (copyright is None)
    assert told(artifact.data).get("copyright") == copyright


def test_exif_of_ten_megabytes_in_small_pieces_is_refused_before_it_is_joined() -> None:
    plain = saved(drawn(), "JPEG")
    many = segment(0xE1, b"Exif\x00\x00II*\x00" + bytes(300)) * 33_000
    with pytest.raises(SourceRefused, match="segments"):
        scan(plain[:20] + many + plain[20:])


def test_what_is_too_much_is_left_out_and_told_of() -> None:
    plain = saved(drawn(), "JPEG", quality=90)
    source = plain[:20] + segment(0xFE, bytes(60_000)) * 100 + plain[20:]
    artifact = made(source, "JPEG")
    assert "metadata" in artifact.losses[0]
    assert len(artifact.data) < MOST_BYTES + len(plain)


def directory(*entries: tuple[int, int, int, int]) -> bytes:
    """Return a directory of a TIFF, of entries of four numbers each."""
    return struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries) + bytes(4)


def nested_tiff() -> bytes:
    """Return a small TIFF whose tags name the same places thousands of times: many gigabytes, taken one by one."""
    data = b"II*\x00" + bytes(4 + 100_000)
    entry, place = (271, 7, len(data), 0), 0
    for _ in range(3):
        place = len(data)
        data += directory(*[entry] * 100)
        entry = (EXIF_DIRECTORY, 4, 1, place)
    return data[:4] + struct.pack("<I", place) + data[8:]


@pytest.mark.parametrize("is_tiff", [True, False])
def test_tags_that_name_the_same_places_over_and_over_are_not_all_taken(is_tiff: bool) -> None:
    plain_png = saved(drawn(), "PNG")
    source = nested_tiff() if is_tiff else plain_png[:33] + png_chunk(b"eXIf", nested_tiff()) + plain_png[33:]
    tracemalloc.start()
    try:
        read(source, "TIFF" if is_tiff else "PNG")
        plain = saved(drawn(), "TIFF")
        rewritten(plain, "TIFF", nested_tiff(), is_bare=False)
        rewritten(nested_tiff(), "TIFF", nested_tiff(), is_bare=True)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 10 * MOST_BYTES


def test_tags_that_lie_in_each_other_are_not_overwritten_one_by_one() -> None:
    tags = directory(*[(37724, 7, 5000, 1000)] * 50)
    data = b"II*\x00\x08\x00\x00\x00" + tags + bytes(6000)
    assert rewritten(data, "TIFF", data, is_bare=True) is None


def test_of_profiles_in_figures_a_few_are_read() -> None:
    packed = zlib.compress(b"\nexif\n      16\n" + exif().hex().encode())
    chunk = png_chunk(b"zTXt", b"Raw profile type exif\x00\x00" + packed)
    plain = saved(drawn(), "PNG")
    assert not read(plain[:33] + chunk + plain[33:], "PNG").is_cut
    assert read(plain[:33] + chunk * 500 + plain[33:], "PNG").is_cut


def test_text_that_unpacks_to_much_is_not_unpacked() -> None:
    plain = saved(drawn(), "PNG")
    packed = zlib.compress(bytes(200_000_000), 9)
    for name in (b"Title", b"Raw profile type exif"):
        bomb = plain[:33] + png_chunk(b"zTXt", name + b"\x00\x00" + packed) + plain[33:]
        kept = rewritten(bomb, "PNG", bomb, is_bare=False)
        assert kept is not None
        assert len(kept) <= len(bomb)


@pytest.mark.parametrize("format_name", ALL)
def test_a_file_that_is_cut_off_or_changed_anywhere_is_read_without_an_error(format_name: str) -> None:
    whole = ALL[format_name]()
    whole = whole if len(whole) < 100_000 else ALL[format_name](drawn(40, 40))
    for at in range(0, min(len(whole), 6000), 7):
        for broken in (whole[:at], whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :]):
            read(broken, format_name)
            rewritten(broken, format_name, whole, is_bare=False)
            rewritten(broken, format_name, broken, is_bare=True)


def test_a_plain_webp_becomes_one_that_can_tell() -> None:
    for options in ({"lossless": True}, {"quality": 80}):
        for mode in ("RGB", "RGBA"):
            picture = drawn(301, 222).convert(mode)
            if mode == "RGBA":
                picture.putalpha(100)
            plain = saved(picture, "WEBP", **options)
            found = rewritten(plain, "WEBP", webp(), is_bare=False)
            assert found is not None
            assert told(found) == told(webp())
            with Image.open(io.BytesIO(found)) as after, Image.open(io.BytesIO(plain)) as before:
                assert after.mode == before.mode
                assert after.tobytes() == before.tobytes()


def test_density_is_one_however_it_is_told() -> None:
    assert struct.unpack(">HH", read_density(jpeg())) == (300, 300)
    assert told(png())["dpi"] == (300, 300)


def read_density(data: bytes) -> bytes:
    return data[data.index(b"JFIF\x00") + 8 :][:4]
