"""What a GIF tells: comments, and XML that is written so that those who do not know it find its end."""

from collections.abc import Iterator

from photos.metadata.told import Told

_HEAD_BYTES = 13
_EXTENSION, _PICTURE, _COMMENT, _APPLICATION = 0x21, 0x2C, 0xFE, 0xFF
_XMP = b"\x0bXMP DataXMP"
_ROOM = 255


def read_gif(data: bytes) -> Told:
    """Return what a GIF tells before its first picture."""
    told = Told()
    for kind, start, end in _blocks(data):
        if kind == _PICTURE:
            break
        if kind == _COMMENT:
            told.take_into(told.comments, _joined(data[start + 2 : end]))
    return told


def write_gif(data: bytes, told: Told) -> bytes:
    """Return a GIF that tells this and nothing else."""
    head = _head_end(data)
    kept, last = [data[:head]], head
    for comment in told.comments:
        parts = [comment[at : at + _ROOM] for at in range(0, len(comment), _ROOM)]
        kept.append(b"\x21\xfe" + b"".join(bytes((len(part),)) + part for part in parts) + b"\x00")
    for kind, start, end in _blocks(data):
        last = end
        if kind != _COMMENT and not data.startswith(_XMP, start + 2):
            kept.append(data[start:end])
    return b"".join([*kept, data[last : last + 1]])


def _head_end(data: bytes) -> int:
    return _HEAD_BYTES + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)


def _blocks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Give the kind of each block, where it begins and where it ends."""
    at = _head_end(data)
    while at + 1 < len(data) and data[at] in {_EXTENSION, _PICTURE}:
        start, kind = at, data[at]
        if kind == _EXTENSION:
            kind, at = data[at + 1], at + 2
        else:
            flags = data[at + 9] if at + 9 < len(data) else 0
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
        yield kind, start, min(at, len(data))


def _joined(parts: bytes) -> bytes:
    found, at = [], 0
    while at < len(parts) and parts[at]:
        found.append(parts[at + 1 : at + 1 + parts[at]])
        at += 1 + parts[at]
    return b"".join(found)
