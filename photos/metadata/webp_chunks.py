"""What a WebP tells: chunks behind its picture, and bits of its header that say that they are there."""

import struct
from collections.abc import Iterator

from photos.metadata.adobe import cleaned_xmp
from photos.metadata.exif_block import HEADER
from photos.metadata.told import Told

_HEAD_BYTES = 12
_EXIF_BIT, _XMP_BIT, _ALPHA_BIT = 0x08, 0x04, 0x10
_PICTURE = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"ANIM", b"ANMF"}


def read_webp(data: bytes) -> Told:
    """Return what a WebP tells."""
    told = Told()
    for name, body in _chunks(data):
        if name == b"EXIF":
            told.exif = told.take(body.removeprefix(HEADER))
        elif name == b"XMP ":
            told.xmp = cleaned_xmp(told.take(body))
    return told


def write_webp(data: bytes, told: Told) -> bytes:
    """Return a WebP that tells this and nothing else."""
    chunks = [(name, body) for name, body in _chunks(data) if name in _PICTURE]
    flags = (_EXIF_BIT if told.exif else 0) | (_XMP_BIT if told.xmp else 0)
    if not chunks:
        return data
    if chunks[0][0] == b"VP8X":
        head = chunks[0][1]
        chunks[0] = (b"VP8X", bytes((head[0] & ~(_EXIF_BIT | _XMP_BIT) | flags,)) + head[1:])
    elif flags:
        chunks.insert(0, (b"VP8X", _head(*chunks[0], flags)))
    if told.exif:
        chunks.append((b"EXIF", told.exif))
    if told.xmp:
        chunks.append((b"XMP ", told.xmp))
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(each)) + each + bytes(len(each) % 2) for name, each in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = _HEAD_BYTES
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _head(name: bytes, picture: bytes, flags: int) -> bytes:
    """Return the header that a plain file lacks."""
    if name == b"VP8L":
        bits = int.from_bytes(picture[1:5], "little")
        width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF
        flags |= _ALPHA_BIT if bits >> 28 & 1 else 0
    else:
        width, height = (int.from_bytes(picture[at : at + 2], "little") % 0x4000 - 1 for at in (6, 8))
    return struct.pack("<I", flags) + max(0, width).to_bytes(3, "little") + max(0, height).to_bytes(3, "little")
