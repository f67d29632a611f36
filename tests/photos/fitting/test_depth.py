"""Bits and palettes stay where nothing is painted."""

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from photos.comparison import compare
from photos.contents import depth_of, frames_in
from photos.fitting import Fitted, Restored, deep, fit, restore
from removal.bounds import Bounds
from tests.photos.fitting.kinds import KINDS, SRGB
from tests.photos.metadata.telling import jpeg, told, with_texts
from tests.photos.pictures import drawn, png_chunk, saved

SIZE = (640, 560)
SQUARE = (240, 210, 400, 350)


def levels(channels: int) -> bytes:
    """Return pixels of 16 bits a channel whose lower bytes are nothing like the upper ones."""
    width, height = SIZE
    return b"".join(
        struct.pack(">H", (3000 + 90 * across + 7 * down + 1000 * channel) % 65_536)
        for down in range(height)
        for across in range(width)
        for channel in range(channels)
    )


def deep_png(channels: int, **options: Any) -> bytes:
    width, height = SIZE
    rows = levels(channels)
    size = 2 * channels * width
    packed = zlib.compress(b"".join(b"\x00" + rows[at : at + size] for at in range(0, len(rows), size)))
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), *options.get("chunks", ()), png_chunk(b"IDAT", packed)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


def deep_tiff(channels: int, order: str, *, is_packed: bool) -> bytes:
    width, height = SIZE
    rows = levels(channels)
    if order == "<":
        swapped = bytearray(rows)
        swapped[0::2], swapped[1::2] = rows[1::2], rows[0::2]
        rows = bytes(swapped)
    strip = zlib.compress(rows) if is_packed else rows
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, 0),
        (259, 3, 1, 8 if is_packed else 1),
        (262, 3, 1, 2),
        (273, 4, 1, 0),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(strip)),
        *([(338, 3, 1, 2)] if channels == 4 else []),
    ]
    bits = 8 + 2 + 12 * len(tags) + 4
    made = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, told_value in tags:
        value = {258: bits, 273: bits + 2 * channels}.get(tag, told_value)
        form = "HH" if kind == 3 and count == 1 else "I"
        made += struct.pack(f"{order}HHI{form}", tag, kind, count, *((value, 0) if form == "HH" else (value,)))
    start = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(f"{order}I", 8)
    return start + made + bytes(4) + struct.pack(f"{order}{channels}H", *[16] * channels) + strip


DEEP = {
    "png": lambda: deep_png(3),
    "png with alpha": lambda: deep_png(4),
    "tiff": lambda: deep_tiff(3, "<", is_packed=False),
    "tiff the other way round": lambda: deep_tiff(3, ">", is_packed=False),
    "tiff packed": lambda: deep_tiff(3, "<", is_packed=True),
    "tiff packed, the other way round": lambda: deep_tiff(3, ">", is_packed=True),
    "tiff with alpha": lambda: deep_tiff(4, "<", is_packed=True),
}


def pixels(data: bytes) -> list[tuple[int, ...]]:
    """Return all channels of all pixels with 16 bits."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        upper = image.copy()
    with Image.open(io.BytesIO(data)) as image:
        lower = deep.lower_half(image, data)
        assert lower is not None
        halves = zip(upper.tobytes(), lower.tobytes(), strict=True)
    numbers = [high * 256 + low for high, low in halves]
    count = len(upper.mode)
    return list(zip(*[iter(numbers)] * count, strict=True))


def painted(source: bytes, output_format: str = "PNG", colour: Any = (10, 20, 90), **options: Any) -> Restored:
    fitted = fit(source)
    with Image.open(io.BytesIO(fitted.sent)) as image:
        picture = image.convert("RGB")
    ImageDraw.Draw(picture).rectangle(SQUARE, fill=colour)
    return back(source, fitted, saved(picture, output_format, **options))


def back(source: bytes, fitted: Fitted, output: bytes) -> Restored:
    return restore(output, source, fitted, compare(fitted.sent, output, box=fitted.plan.photo_box))


@pytest.mark.parametrize("kind", DEEP)
def test_sixteen_bits_stay_where_nothing_is_painted(kind: str) -> None:
    source = DEEP[kind]()
    before = pixels(source)
    count = len(before[0])
    wanted = struct.unpack(f">{len(before) * count}H", levels(count))
    assert [channel for pixel in before for channel in pixel] == list(wanted)
    artifact = painted(source)
    assert artifact.losses == ()
    assert artifact.format == kind.split(maxsplit=1)[0].upper()
    after = pixels(artifact.data)
    left, top, right, bottom = (SQUARE[0] - 8, SQUARE[1] - 8, SQUARE[2] + 8, SQUARE[3] + 8)
    width = SIZE[0]
    for at, (one, other) in enumerate(zip(before, after, strict=True)):
        across, down = at % width, at // width
        if not (left <= across <= right and top <= down <= bottom):
            assert one == other
    middle = after[280 * width + 320]
    if count == 3:
        assert middle == (10 * 257, 20 * 257, 90 * 257)
    else:
        assert middle[3] == before[280 * width + 320][3]


def test_what_a_deep_photo_tells_and_its_profile_stay_too() -> None:
    packed = zlib.compress(SRGB)
    source = with_texts(deep_png(3, chunks=[png_chunk(b"iCCP", b"p\x00\x00" + packed)]))
    artifact = painted(source, "JPEG", quality=95)
    assert told(artifact.data)["texts"] == told(source)["texts"]
    with Image.open(io.BytesIO(artifact.data)) as image:
        assert image.info["icc_profile"] == SRGB
    assert depth_of(artifact.data, "PNG") == 16


def test_a_photo_of_ten_bits_says_that_it_loses_two() -> None:
    source = saved(drawn(*SIZE), "AVIF", quality=90)
    at = source.index(b"av1C") + 6
    assert depth_of(source[:at] + bytes((source[at] | 0x40,)) + source[at + 1 :], "AVIF") == 10
    fitted = fit(source)
    deeper = replace(fitted, photo=replace(fitted.photo, depth=10))
    with Image.open(io.BytesIO(fitted.sent)) as image:
        output = saved(image.transpose(Image.Transpose.ROTATE_180), "PNG")
    assert back(source, deeper, output).losses == ("10 bits a channel became 8",)


def test_what_has_no_room_for_both_halves_becomes_eight_bits_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "MOST_PIXELS", 1000)
    artifact = painted(deep_png(3))
    assert artifact.losses == ("16 bits a channel became 8",)
    assert depth_of(artifact.data, "PNG") == 8


def test_a_large_deep_photo_is_scaled_down_for_sending_only() -> None:
    source = deep_png(3)
    fitted = fit(source, Bounds(min_side=64, max_side=320))
    with Image.open(io.BytesIO(fitted.sent)) as image:
        picture = image.convert("RGB")
    ImageDraw.Draw(picture).rectangle((120, 100, 200, 170), fill=(10, 20, 90))
    artifact = back(source, fitted, saved(picture, "PNG"))
    assert pixels(artifact.data)[0] == pixels(source)[0]
    assert depth_of(artifact.data, "PNG") == 16


def flat(format_name: str, *, colours: int, transparency: int | None = None) -> bytes:
    """Return a picture with a palette: stripes, and a square of another colour."""
    picture = Image.new("P", SIZE)
    picture.putpalette([level for number in range(colours) for level in (number, 255 - number, number // 2)])
    for number in range(colours):
        picture.paste(number, (number * 2, 0, SIZE[0], SIZE[1]))
    picture.paste(1, SQUARE)
    return saved(picture, format_name, **({} if transparency is None else {"transparency": transparency}))


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize(("colours", "colour"), [(255, (200, 55, 100)), (255, (10, 20, 90)), (200, (10, 20, 90))])
def test_a_palette_stays_with_its_numbers_when_there_is_room(
    format_name: str, colours: int, colour: tuple[int, int, int]
) -> None:
    source = flat(format_name, colours=colours)
    fitted = fit(source)
    with Image.open(io.BytesIO(fitted.sent)) as image:
        picture = image.convert("RGB")
    # Nothing is blended: what was a square on stripes becomes one colour up to the edges of the photo.
    ImageDraw.Draw(picture).rectangle((0, 0, *SIZE), fill=colour)
    artifact = back(source, fitted, saved(picture, "PNG"))
    assert artifact.losses == ()
    with Image.open(io.BytesIO(artifact.data)) as after, Image.open(io.BytesIO(source)) as before:
        assert after.mode == before.mode == "P"
        old, new = before.getpalette(), after.getpalette()
        assert old is not None
        assert new is not None
        assert new[: colours * 3] == old[: colours * 3]
        assert after.convert("RGB").getpixel((300, 300)) == colour


@pytest.mark.parametrize("transparency", [None, 7])
def test_only_what_is_painted_gets_other_numbers(transparency: int | None) -> None:
    picture = Image.new("P", SIZE, 3)
    picture.putpalette([0, 0, 0, 0, 0, 0, 255, 255, 255, 40, 50, 60, 90, 90, 90])
    picture.paste(4, (0, 0, 100, 560))
    picture.paste(2, SQUARE)
    picture.paste(1, (0, 0, 20, 20))
    options = {} if transparency is None else {"transparency": 4}
    source = saved(picture, "PNG", **options)
    artifact = painted(source, colour=(40, 50, 60))
    assert artifact.losses == ()
    with Image.open(io.BytesIO(artifact.data)) as after:
        assert after.mode == "P"
        assert after.convert("RGBA").getpixel((300, 300)) == (40, 50, 60, 255)
        # Two entries have the same colour; which one it was stays.
        assert [after.getpixel(place) for place in ((0, 0), (50, 50), (600, 500))] == [1, 4, 3]


def test_a_palette_without_room_becomes_rgb_and_says_so() -> None:
    source = flat("PNG", colours=256)
    artifact = painted(source, "PNG", colour=(1, 2, 3))
    assert artifact.losses == ("the palette became RGB",)
    with Image.open(io.BytesIO(artifact.data)) as image:
        assert image.mode == "RGB"


@pytest.mark.parametrize(
    ("kind", "frames"),
    [
        ("gif", 1),
        ("gif animated", 2),
        ("webp", 1),
        ("webp animated", 2),
        ("png animated", 2),
        ("tiff pages", 2),
        ("tiff", 1),
        ("jpeg", 1),
        ("avif", 1),
    ],
)
def test_frames_are_counted_in_every_format(kind: str, frames: int) -> None:
    source = KINDS[kind](640, 560)
    assert frames_in(source, kind.split(maxsplit=1)[0].upper()) == frames
    assert fit(source).photo.frames == frames


def test_frames_of_an_avif_and_pictures_behind_a_jpeg_are_counted() -> None:
    frames = [drawn(), drawn().transpose(Image.Transpose.ROTATE_180), drawn()]
    assert frames_in(saved(frames[0], "AVIF", save_all=True, append_images=frames[1:]), "AVIF") == 3
    assert frames_in(saved(frames[0], "MPO", save_all=True, append_images=frames[1:]), "JPEG") == 3
    assert frames_in(jpeg(), "JPEG") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_anywhere_has_frames_and_bits(kind: str) -> None:
    whole, name = KINDS[kind](64, 56), kind.split(maxsplit=1)[0].upper()
    for end in range(0, min(len(whole), 4000), 3):
        assert frames_in(whole[:end], name) >= 1
        assert depth_of(whole[:end], name) >= 8
