"""Giving a finished JPEG or PNG its source's colour profile without decoding it."""

import struct
import zlib

_JPEG_START = b"\xff\xd8"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_END = 33
_LEADING_SEGMENTS = {0xE0, 0xE1}
_TAG = b"ICC_PROFILE\x00"
_SEGMENT_BYTES = 65_519
"""What is left of 65,535 after the segment's length, the tag and two counters."""

_MOST_SEGMENTS = 255


def with_profile(data: bytes, format_name: str, icc: bytes) -> bytes | None:
    """Return a file without a profile with one, its pixels untouched; None when that cannot be done.

    Args:
        data: The file.
        format_name: `JPEG` or `PNG`; others are not done.
        icc: The profile.
    """
    if format_name == "JPEG" and data.startswith(_JPEG_START):
        return _jpeg(data, icc)
    if format_name == "PNG" and data.startswith(_PNG_START):
        return _png(data, icc)
    return None


def _jpeg(data: bytes, icc: bytes) -> bytes | None:
    parts = [icc[at : at + _SEGMENT_BYTES] for at in range(0, len(icc), _SEGMENT_BYTES)]
    if len(parts) > _MOST_SEGMENTS:
        return None
    segments = b"".join(
        b"\xff\xe2" + struct.pack(">H", len(part) + 16) + _TAG + bytes((number, len(parts))) + part
        for number, part in enumerate(parts, 1)
    )
    at = len(_JPEG_START)
    # JFIF's and EXIF's segments have to come first.
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] in _LEADING_SEGMENTS:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[:at] + segments + data[at:]


def _png(data: bytes, icc: bytes) -> bytes:
    body = b"iCCP" + b"ICC Profile\x00\x00" + zlib.compress(icc)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:_PNG_HEADER_END] + chunk + data[_PNG_HEADER_END:]
