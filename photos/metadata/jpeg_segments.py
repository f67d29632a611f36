"""What a JPEG tells: segments before its pixels."""

import re
import struct
from collections.abc import Iterator
from fractions import Fraction

from photos.metadata.adobe import cleaned_extension, cleaned_resources, cleaned_xmp
from photos.metadata.exif_block import HEADER
from photos.metadata.told import PER_CM, PER_INCH, RATIO, Density, Told
from photos.scans import end_of, past_filling

START = b"\xff\xd8"
_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\x00"
_PHOTOSHOP = b"Photoshop 3.0\x00"
_PROFILE = b"ICC_PROFILE\x00"
_JFIF = b"JFIF\x00"
_SCAN, _COMMENT, _APP0, _APP1, _APP2, _APP13, _APP14, _APP15 = 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF
_MOST_IN_SEGMENT = 65_533
_UNITS = (RATIO, PER_INCH, PER_CM)
_MOST_DENSITY = 65_535
_ANOTHER = re.compile(START + b"\xff")
"""What begins a picture; searched for in half the time that `find` takes."""


def read_jpeg(data: bytes) -> Told:
    """Return what a JPEG tells."""
    told = Told()
    exif: list[bytes] = []
    extended: list[bytes] = []
    resources: list[bytes] = []
    for kind, body, _ in _segments(data):
        if kind == _APP1 and body.startswith(HEADER):
            exif.append(told.take(body[len(HEADER) :]))
        elif kind == _APP1 and body.startswith(_XMP):
            told.xmp = told.xmp or cleaned_xmp(told.take(body[len(_XMP) :]))
        elif kind == _APP1 and body.startswith(_EXTENDED):
            told.take_into(extended, body[len(_EXTENDED) :])
        elif kind == _APP13 and body.startswith(_PHOTOSHOP):
            resources.append(told.take(body[len(_PHOTOSHOP) :]))
        elif kind == _COMMENT:
            told.take_into(told.comments, body)
        elif kind == _APP0 and body.startswith(_JFIF) and len(body) >= 12:
            told.density = _density(body)
    told.exif = b"".join(exif)
    told.extended = cleaned_extension(extended)
    told.resources = cleaned_resources(b"".join(resources))
    return told


def write_jpeg(data: bytes, told: Told) -> bytes:
    """Return a JPEG that tells this and nothing else; what comes behind its picture is cut off."""
    first, kept, pixels = b"", [], len(data)
    for kind, body, end in _segments(data):
        pixels = end
        if kind == _APP0 and body.startswith(_JFIF):
            first = body[:7] + _density_bytes(told.density) + b"\x00\x00"
        elif kind == _APP14 or (kind == _APP2 and body.startswith(_PROFILE)) or not _APP0 <= kind <= _COMMENT:
            kept.append(_segment(kind, body))
    # Beside Adobe's mark it would say of red, green and blue that they are something else.
    has_adobe = any(each.startswith(b"\xff\xee") for each in kept)
    if not first and told.density is not None and not has_adobe:
        first = _JFIF + b"\x01\x02" + _density_bytes(told.density) + b"\x00\x00"
    parts = [START, _segment(_APP0, first) if first else b""]
    parts += [_segment(_APP1, HEADER + each) for each in _split(told.exif, len(HEADER))]
    if told.xmp and len(told.xmp) + len(_XMP) <= _MOST_IN_SEGMENT:
        parts.append(_segment(_APP1, _XMP + told.xmp))
        parts += [_segment(_APP1, _EXTENDED + each) for each in told.extended]
    parts += [_segment(_APP13, _PHOTOSHOP + each) for each in _split(told.resources, len(_PHOTOSHOP))]
    parts += [_segment(_COMMENT, each) for each in told.comments if len(each) <= _MOST_IN_SEGMENT]
    return b"".join([*parts, *kept, data[past_filling(data, pixels) : _end(data, pixels)]])


def _end(data: bytes, pixels: int) -> int:
    """Return where the picture ends; that nothing is behind it shows at a glance."""
    is_alone = data.endswith(b"\xff\xd9") and _ANOTHER.search(data, pixels) is None
    return len(data) if is_alone else end_of(data, pixels)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Give the kind and content of each segment before the pixels, and where it ends."""
    at = len(START)
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        at = past_filling(data, at)
        kind = data[at + 1] if at + 4 <= len(data) else 0xD9
        if kind in {0x00, 0x01} or 0xD0 <= kind <= 0xD8:
            at += 2
            continue
        if kind in {_SCAN, 0xD9}:
            return
        end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        yield kind, data[at + 4 : end], end
        at = end


def _segment(kind: int, body: bytes) -> bytes:
    return b"\xff" + bytes((kind,)) + struct.pack(">H", len(body) + 2) + body


def _split(body: bytes, head: int) -> list[bytes]:
    size = _MOST_IN_SEGMENT - head
    return [body[at : at + size] for at in range(0, len(body), size)]


def _density(jfif: bytes) -> Density | None:
    unit, across, down = struct.unpack_from(">BHH", jfif, 7)
    if unit >= len(_UNITS) or not across or not down or (unit == 0 and across == down):
        return None
    return Density(Fraction(across), Fraction(down), _UNITS[unit])


def _density_bytes(density: Density | None) -> bytes:
    if density is not None:
        across, down = round(density.across), round(density.down)
        if min(across, down) > 0 and max(across, down) <= _MOST_DENSITY:
            return struct.pack(">BHH", _UNITS.index(density.unit), across, down)
    return struct.pack(">BHH", 0, 1, 1)
