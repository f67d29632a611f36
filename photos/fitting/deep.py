"""Colours of 16 bits a channel, which no picture here can hold: their upper and lower bytes are two pictures.

The upper ones are what Pillow decodes; the lower ones are had by telling its decoder that the bytes are the other way
round. What was painted on gets both bytes alike, which is 8 bits made 16.
"""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile

from photos.photo import Photo
from photos.pictures import decode

MOST_PIXELS = 20_000_000
"""Of larger ones there is no room for both."""

_SWAPPED = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B"}
_MODES = {"RGB", "RGBA"}
_FORMATS = {"PNG", "TIFF"}
_DEEP = 16
_BAND_ROWS_BYTES = 4_000_000
_PNG_KINDS = {"RGB": 2, "RGBA": 6}
_UP = 2
_PNG_LEVEL = 4


def can_keep(photo: Photo) -> bool:
    """Return whether all bits of a photo's channels are kept where nothing is painted."""
    if photo.depth <= 8 or photo.mode.startswith("I;16"):
        return True
    fits = photo.width * photo.height <= MOST_PIXELS
    return photo.depth == _DEEP and photo.format in _FORMATS and photo.mode in _MODES and fits


def lower_half(image: Image.Image, data: bytes) -> Image.Image | None:
    """Return the lower bytes of an opened source that is not decoded yet; None when they cannot be had.

    Raises:
        Undecodable: The pixels are broken or end too early.
    """
    if not isinstance(image, ImageFile):
        return None
    swapped = []
    for tile in image.tile:
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        name = next((end for end in _SWAPPED if str(args[0]).endswith(end)), None)
        if name is None or not str(args[0]).startswith(image.mode):
            return None
        rawmode = f"{image.mode}{_SWAPPED[name]}"
        swapped.append(tile._replace(args=(rawmode, *args[1:]) if isinstance(tile.args, tuple) else rawmode))
    image.tile = swapped
    decode(image, data)
    return image


def paint(lower: Image.Image, upper: Image.Image, touched: Image.Image) -> None:
    """Make the lower bytes of what was painted the same as the upper ones; transparency stays as it is.

    Args:
        lower: Changed in place.
        upper: As it is painted.
        touched: Where that is; mode `L`.
    """
    box = touched.getbbox()
    if box is None:
        return
    piece = upper.crop(box)
    if piece.mode == "RGBA":
        piece.putalpha(lower.crop(box).getchannel("A"))
    lower.paste(piece, box, touched.crop(box))


def saved_deep(upper: Image.Image, lower: Image.Image, format_name: str, icc: bytes | None) -> bytes:
    """Return a PNG or TIFF of both halves."""
    return (_png if format_name == "PNG" else _tiff)(upper, lower, icc)


def _bands(upper: Image.Image, lower: Image.Image, *, is_big: bool) -> Iterator[tuple[int, bytes]]:
    """Give rows of pixels as they lie in a file, and how many rows those are."""
    width, height = upper.size
    rows = max(1, _BAND_ROWS_BYTES // (2 * width * len(upper.getbands())))
    for top in range(0, height, rows):
        place = (0, top, width, min(top + rows, height))
        first, second = upper.crop(place).tobytes(), lower.crop(place).tobytes()
        both = bytearray(2 * len(first))
        both[0::2], both[1::2] = (first, second) if is_big else (second, first)
        yield place[3] - top, bytes(both)


def _png(upper: Image.Image, lower: Image.Image, icc: bytes | None) -> bytes:
    width, height = upper.size
    size = 2 * width * len(upper.getbands())
    packer, above = zlib.compressobj(_PNG_LEVEL), bytes(size)
    parts = [b"\x89PNG\r\n\x1a\n"]
    parts += _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _DEEP, _PNG_KINDS[upper.mode], 0, 0, 0))
    if icc is not None:
        parts += _chunk(b"iCCP", b"ICC Profile\x00\x00" + zlib.compress(icc))
    for rows, both in _bands(upper, lower, is_big=True):
        # What changes from row to row is smaller than what stands there.
        band = Image.frombytes("L", (size, rows), both)
        before = Image.frombytes("L", (size, rows), above + both[:-size])
        filtered = Image.new("L", (size + 1, rows), _UP)
        filtered.paste(ImageChops.subtract_modulo(band, before), (1, 0))
        parts += _chunk(b"IDAT", packer.compress(filtered.tobytes()))
        above = both[-size:]
    return b"".join([*parts, *_chunk(b"IDAT", packer.flush()), *_chunk(b"IEND", b"")])


def _chunk(name: bytes, body: bytes) -> tuple[bytes, ...]:
    return struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _tiff(upper: Image.Image, lower: Image.Image, icc: bytes | None) -> bytes:
    strips, per_strip = [], 0
    for rows, both in _bands(upper, lower, is_big=False):
        per_strip = max(per_strip, rows)
        strips.append(zlib.compress(both))
    count = len(upper.getbands())
    offsets, at = [], 8
    for strip in strips:
        offsets.append(at)
        at += len(strip) + len(strip) % 2
    longs = {256: [upper.width], 257: [upper.height], 273: offsets, 278: [per_strip], 279: [*map(len, strips)]}
    # Deflate, red green blue from the first pixel on, and transparency that nothing is multiplied with.
    shorts = {258: [_DEEP] * count, 259: [8], 262: [2], 277: [count], 284: [1]} | ({338: [2]} if count == 4 else {})
    entries = [(tag, 4, f"<{len(values)}I", values) for tag, values in longs.items()]
    entries += [(tag, 3, f"<{len(values)}H", values) for tag, values in shorts.items()]
    values = sorted((tag, kind, len(numbers), struct.pack(form, *numbers)) for tag, kind, form, numbers in entries)
    if icc is not None:
        values.append((34675, 7, len(icc), icc))
    behind, made = b"", b""
    start = at + 2 + 12 * len(values) + 4
    for tag, kind, number, value in values:
        place = value.ljust(4, b"\x00")
        if len(value) > 4:
            place = struct.pack("<I", start + len(behind))
            behind += value + bytes(len(value) % 2)
        made += struct.pack("<HHI", tag, kind, number) + place
    body = [part for strip in strips for part in (strip, bytes(len(strip) % 2))]
    end = struct.pack("<H", len(values)) + made + bytes(4) + behind
    return b"".join([b"II*\x00", struct.pack("<I", at), *body, end])
