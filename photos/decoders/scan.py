"""What a file says of itself, read before any decoder: how many parts it has and how large it unpacks.

Only what no camera, editor or shop makes is refused here. What cannot be read here is left to the decoder, which has
limits of its own.
"""

import struct
from dataclasses import dataclass, replace

from core.errors import SourceRefused
from photos.contents import depth_of
from photos.decoders import limits
from photos.scans import past_filling

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_STRIPS = {273, 279, 324, 325}
_RUN_LENGTHS = {1, 2}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself.

    Args:
        format: Pillow's name; empty when it is none that is known here.
        width: Pixels; 0 when it does not say.
        height: Pixels.
        depth: Bits a channel.
    """

    format: str = ""
    width: int = 0
    height: int = 0
    depth: int = 8

    @property
    def is_big(self) -> bool:
        """Whether it is worked on while no other big one is."""
        most = limits.BIG_PIXELS_OF.get(self.format, limits.BIG_PIXELS)
        return self.width * self.height > (min(most, limits.BIG_DEEP_PIXELS) if self.depth > 8 else most)


def scan(data: bytes, max_pixels: int = limits.MOST_PIXELS) -> Facts:
    """Return what a file says of itself.

    Args:
        data: The file.
        max_pixels: Of any format; some may have less.

    Raises:
        SourceRefused: `undecodable`, it has more parts than any photo has; `bomb`, it unpacks to more than any may.
    """
    try:
        facts = _facts(data)
        facts = replace(facts, depth=depth_of(data, facts.format))
    except (struct.error, IndexError):
        # It ends too early, which its decoder says better.
        return Facts()
    most = min(max_pixels, limits.MOST_PIXELS_OF.get(facts.format, max_pixels))
    if facts.width * facts.height > most or max(facts.width, facts.height) > limits.MOST_SIDE:
        raise SourceRefused(
            "bomb",
            f"The file unpacks to {facts.width}×{facts.height} pixels, more than {most:,} in all or "
            f"{limits.MOST_SIDE:,} on a side; it was not decoded.",
        )
    return facts


def _facts(data: bytes) -> Facts:
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:3] == b"GIF":
        return _gif(data)
    if data[:2] == b"BM":
        return _bmp(data)
    if data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return _tiff(data)
    return _avif(data) if data[4:8] == b"ftyp" else Facts()


def _jpeg(data: bytes) -> Facts:
    at, junk, segments, exif = 2, 0, 0, 0
    size = (0, 0)
    while (mark := data.find(b"\xff", at)) >= 0:
        junk += mark - at
        # Any amount of filling costs nothing: it is passed over, and Pillow never sees it.
        mark = past_filling(data, mark)
        kind, at = data[mark + 1], mark + 2
        junk += 2 * (kind == 0x00 or kind in _WITHOUT_LENGTH)
        if junk > limits.MOST_JUNK:
            raise _refused("more than 64 kB between its segments")
        if kind == 0x00 or kind in _WITHOUT_LENGTH:
            continue
        if kind in {0xD9, 0xDA}:
            break
        segments += 1
        (length,) = struct.unpack_from(">H", data, at)
        exif += kind == 0xE1 and data[at + 2 : at + 6] == b"Exif"
        if segments > limits.MOST_SEGMENTS or exif > limits.MOST_EXIF_SEGMENTS:
            raise _refused(f"over {segments - 1:,} segments before its pixels")
        if kind in _START_OF_FRAME:
            size = struct.unpack_from(">HH", data, at + 3)
        at += max(2, length)
    return Facts("JPEG", size[1], size[0])


def _png(data: bytes) -> Facts:
    width, height = struct.unpack_from(">II", data, 16)
    at, chunks, most = 8, 0, limits.MOST_CHUNKS + len(data) // limits.BYTES_PER_CHUNK
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        at += 12 + length
        chunks += 1
        if chunks > most:
            raise _refused(f"over {most:,} chunks")
    return Facts("PNG", width, height)


def _webp(data: bytes) -> Facts:
    kind = data[12:16]
    if kind == b"VP8X":
        return Facts("WEBP", *(1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27)))
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return Facts("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack_from("<HH", data, 26)
    return Facts("WEBP", width & 0x3FFF, height & 0x3FFF)


def _gif(data: bytes) -> Facts:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, blocks = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 0
    while data[at] == 0x21:
        at += 2
        while length := data[at]:
            at += 1 + length
            blocks += 1
            if blocks > limits.MOST_BLOCKS:
                break
        at += 1
        blocks += 1
        if blocks > limits.MOST_BLOCKS:
            raise _refused(f"over {limits.MOST_BLOCKS:,} blocks before its first picture")
    if data[at] == 0x2C:
        left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
        width, height = max(width, left + wide), max(height, top + high)
    return Facts("GIF", width, height)


def _bmp(data: bytes) -> Facts:
    (header,) = struct.unpack_from("<I", data, 14)
    if header == 12:
        return Facts("BMP", *struct.unpack_from("<HH", data, 18))
    width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression in _RUN_LENGTHS and len(data) > limits.MOST_RUNS_BYTES:
        raise _refused("run lengths of more than 4 MB")
    return Facts("BMP", abs(width), abs(height))


def _tiff(data: bytes) -> Facts:
    order = "<" if data[:1] == b"I" else ">"
    is_big = data[2:4] in {b"+\0", b"\0+"}
    (first,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, 8 if is_big else 4)
    (count,) = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, first)
    if count > limits.MOST_TAGS:
        raise _refused(f"{count:,} tags")
    entry = struct.Struct(f"{order}HHQ" if is_big else f"{order}HHI")
    at, step = first + (8 if is_big else 2), 20 if is_big else 12
    found: dict[int, int] = {}
    total = 0
    for place in range(at, at + count * step, step):
        tag, kind, values = entry.unpack_from(data, place)
        if tag in _STRIPS:
            if values > limits.MOST_STRIPS:
                raise _refused(f"{values:,} strips or tiles")
        # What does not lie within the file is not read, and a profile may be large.
        elif kind not in {1, 7}:
            total += values * _TYPE_BYTES.get(kind, 8)
        found.setdefault(tag, struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, place + entry.size)[0])
        if total > limits.MOST_TAG_BYTES:
            raise _refused("tags of more than 4 MB")
    return Facts("TIFF", found.get(256, 0), found.get(257, 0))


def _avif(data: bytes) -> Facts:
    brands = data[8 : 8 + min(64, int.from_bytes(data[:4], "big"))]
    if b"avif" not in brands and b"avis" not in brands:
        return Facts()
    # Each item's own size: the picture, its transparency, parts of it, a small one.
    width = height = at = 0
    head = data[:65_536]
    while (at := head.find(b"ispe", at)) >= 0:
        wide, high = struct.unpack_from(">II", head, at + 8)
        width, height = max(width, wide), max(height, high)
        at += 4
    return Facts("AVIF", width, height)


def _refused(what: str) -> SourceRefused:
    return SourceRefused(
        "undecodable", f"The file has {what}, as no photo has; it was not decoded. Save it anew and hand it in again."
    )
