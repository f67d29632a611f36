"""How many pictures a file holds, and how finely: told by its own words, without decoding any."""

import struct

from photos.scans import past_filling

MOST_FRAMES = 10_000
"""What has more is said to have so many."""
_MPF = b"MPF\x00"
_MPF_COUNT = 0xB001
_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">", b"II+\x00": "<", b"MM\x00+": ">"}
_BITS_TAG = 258


def frames_in(data: bytes, format_name: str) -> int:
    """Return how many pictures a file holds: frames of an animation, pages, or what a phone put behind the first.

    Args:
        data: The file.
        format_name: Pillow's name, `JPEG` also for those with others behind them.
    """
    count = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "GIF": _gif, "TIFF": _tiff, "AVIF": _avif}.get(format_name)
    try:
        return max(1, min(count(data), MOST_FRAMES)) if count is not None else 1
    except (struct.error, IndexError):
        return 1


def depth_of(data: bytes, format_name: str) -> int:
    """Return how many bits a channel of a file has; 8 also for fewer.

    Args:
        data: The file.
        format_name: Pillow's name.
    """
    try:
        if format_name == "PNG":
            return max(8, data[24])
        if format_name == "TIFF":
            return max(8, _tiff_bits(data))
        if format_name == "AVIF" and (at := data.find(b"av1C")) >= 0 and data[at + 6] & 0x40:
            return 12 if data[at + 6] & 0x20 else 10
    except (struct.error, IndexError):
        pass
    return 8


def _jpeg(data: bytes) -> int:
    at = past_filling(data, 2)
    while data[at] == 0xFF and data[at + 1] not in {0xDA, 0xD9}:
        (length,) = struct.unpack_from(">H", data, at + 2)
        if data[at + 1] == 0xE2 and data.startswith(_MPF, at + 4):
            return _mpf(data[at + 8 : at + 2 + length])
        at = past_filling(data, at + 2 + length)
    return 1


def _mpf(block: bytes) -> int:
    order = _ORDERS.get(block[:4])
    if order is None:
        return 1
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, first)
    for place in range(first + 2, first + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHII", block, place)
        if tag == _MPF_COUNT:
            return int(value)
    return 1


def _png(data: bytes) -> int:
    at = data.find(b"acTL", 0, data.find(b"IDAT"))
    return int(struct.unpack_from(">I", data, at + 4)[0]) if at >= 0 else 1


def _webp(data: bytes) -> int:
    at, frames = 12, 0
    while at + 8 <= len(data) and frames < MOST_FRAMES:
        (size,) = struct.unpack_from("<I", data, at + 4)
        frames += data[at : at + 4] == b"ANMF"
        at += 8 + size + size % 2
    return frames


def _gif(data: bytes) -> int:
    at, frames = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0), 0
    while at < len(data) and data[at] in {0x21, 0x2C} and frames < MOST_FRAMES:
        if data[at] == 0x2C:
            frames += 1
            at += 11 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
        else:
            at += 2
        while length := data[at]:
            at += 1 + length
        at += 1
    return frames


def _tiff(data: bytes) -> int:
    order, is_big, at = _tiff_start(data)
    pages = 0
    while at and pages < MOST_FRAMES:
        pages += 1
        (count,) = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, at)
        end = at + (8 + 20 * count if is_big else 2 + 12 * count)
        (at,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, end)
    return pages


def _tiff_bits(data: bytes) -> int:
    order, is_big, at = _tiff_start(data)
    (count,) = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, at)
    step = 20 if is_big else 12
    for place in range(at + (8 if is_big else 2), at + 2 + count * step, step):
        tag, _, values = struct.unpack_from(f"{order}HH{'Q' if is_big else 'I'}", data, place)
        if tag == _BITS_TAG:
            value = place + (12 if is_big else 8)
            if values * 2 > (8 if is_big else 4):
                (value,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, value)
            return int(struct.unpack_from(f"{order}H", data, value)[0])
    return 1


def _tiff_start(data: bytes) -> tuple[str, bool, int]:
    order, is_big = _ORDERS.get(data[:4], "<"), data[2:4] in {b"+\x00", b"\x00+"}
    (first,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, 8 if is_big else 4)
    return order, is_big, first


def _avif(data: bytes) -> int:
    if b"avis" not in data[8:64]:
        return 1
    at = data.find(b"stsz")
    return int(struct.unpack_from(">I", data, at + 12)[0]) if at >= 0 else 1
