"""Exif as a block of bytes: its thumbnail taken out where it lies, so that everything else stays where it is.

Makers keep notes in it whose places are counted from the block's start; moving anything would break them.
"""

import struct

from photos.orientation import UPRIGHT, exif_orientation

HEADER = b"Exif\x00\x00"
_ORIENTATION = 0x0112
_MOST_TAGS = 1000
_THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))


def cleaned(block: bytes) -> bytes | None:
    """Return a block without its thumbnail; None when it cannot be read.

    Args:
        block: From the TIFF header on.
    """
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        tags, link = _directory(block, first, order)
        second = struct.unpack_from(f"{order}I", block, link)[0] if link + 4 <= len(block) else 0
    except struct.error:
        return None
    if not second or not tags:
        return block
    found = bytearray(block)
    found[link : link + 4] = bytes(4)
    gone = []
    try:
        tags, end = _directory(block, second, order)
        gone.append((second, min(end + 4, len(block))))
        gone += [
            (tags[start], tags[start] + tags[size]) for start, size in _THUMBNAILS if start in tags and size in tags
        ]
    except struct.error:
        # Whatever it names cannot be found; nobody else finds it, either.
        return bytes(found)
    for start, end in gone:
        if start > first and end <= len(found):
            found[start:end] = bytes(end - start)
    return bytes(_shortened(found, gone))


def _directory(block: bytes, at: int, order: str) -> tuple[dict[int, int], int]:
    """Return the single numbers of a directory by their tags, and where the link to the next one is."""
    (count,) = struct.unpack_from(f"{order}H", block, at)
    if count > _MOST_TAGS:
        raise struct.error("more tags than any photo has")
    tags = {}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", block, place)
        if values == 1 and kind in {3, 4}:
            (tags[tag],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", block, place + 8)
        else:
            tags.setdefault(tag, 0)
    return tags, at + 2 + 12 * count


def _shortened(block: bytearray, gone: list[tuple[int, int]]) -> bytearray:
    end = len(block)
    for start, stop in sorted(gone, reverse=True):
        # What lies behind a thumbnail is filling.
        if stop <= end and not any(block[stop:end]):
            end = min(end, start)
    return block[:end]


def only_orientation(block: bytes) -> bytes:
    """Return a block that says nothing but how a photo is turned; nothing for one that is upright."""
    orientation = exif_orientation(block)
    if orientation == UPRIGHT:
        return b""
    return b"II*\x00" + struct.pack("<IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def upright(block: bytes) -> bytes:
    """Return a block that says of the photo it lies in that it is stored upright."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None or exif_orientation(block) == UPRIGHT:
        return block
    found = bytearray(block)
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, first)
    for place in range(first + 2, min(first + 2 + 12 * count, len(block) - 11), 12):
        if struct.unpack_from(f"{order}H", block, place)[0] == _ORIENTATION:
            struct.pack_into(f"{order}H", found, place + 8, UPRIGHT)
    return bytes(found)
