"""What an AVIF tells: items beside its picture. They are overwritten where they lie; none can be put in this way."""

import struct
from collections.abc import Iterator

_TELLING = {b"Exif", b"mime"}
_FREE = b"free"
_MOST_ITEMS = 1000


def bare_avif(data: bytes) -> bytes:
    """Return an AVIF that tells nothing.

    Raises:
        ValueError: Its items cannot be found.
    """
    found, room = bytearray(data), len(data)
    try:
        top = dict(_boxes(data, 0, len(data)))
        meta = dict(_boxes(data, top[b"meta"][0] + 4, top[b"meta"][1]))
        places = _places(data, *meta[b"iloc"])
        base = meta[b"idat"][0] if b"idat" in meta else 0
        start, end = meta[b"iinf"]
        start += 6 if not data[start] else 8
        for name, (at, _) in list(_boxes(data, start, end))[:_MOST_ITEMS]:
            version = data[at]
            number, kind = (4, 8) if version == 2 else (4, 10)
            if name != b"infe" or version < 2 or data[at + kind : at + kind + 4] not in _TELLING:
                continue
            item = int.from_bytes(data[at + number : at + number + (2 if version == 2 else 4)], "big")
            found[at + kind : at + kind + 4] = _FREE
            for is_inside, place, size in places.get(item, ()):
                first = place + (base if is_inside else 0)
                last = min(first + size, len(found))
                room -= max(0, last - first)
                if room < 0:
                    raise ValueError("its items lie in each other")
                found[first:last] = bytes(max(0, last - first))
    except (KeyError, IndexError, struct.error) as error:
        raise ValueError("its items cannot be found") from error
    return bytes(found)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            start += 8
        stop = end if size == 0 else at + size
        if stop <= at or stop > end:
            return
        yield name, (start, stop)
        at = stop


def _places(data: bytes, at: int, end: int) -> dict[int, list[tuple[bool, int, int]]]:
    """Return where each item lies: whether beside the list of items, where, and how long it is."""
    version = data[at]
    sizes = data[at + 4 : at + 6]
    offset, length, base, index = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15 if version else 0
    wide = 4 if version == 2 else 2
    at += 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > end:
            raise IndexError
        at += size
        return int.from_bytes(data[at - size : at], "big")

    found: dict[int, list[tuple[bool, int, int]]] = {}
    for _ in range(min(number(wide), _MOST_ITEMS)):
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        start = number(base)
        extents = []
        for _ in range(min(number(2), _MOST_ITEMS)):
            number(index)
            extents.append((method == 1, start + number(offset), number(length)))
        found[item] = extents
    return found
