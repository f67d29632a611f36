"""A ZIP that is written while it is sent: stored, of any size, with nothing of it in memory.

Python's own writer keeps a record of each file until the end, and of a stream that cannot go back it tells sizes only
behind the bytes, which some readers do not take for what is stored. Here a file's size and checksum are known before,
and the directory waits on disk. Written after PKWARE's APPNOTE 6.3.10, ZIP64 (4.5.3) where numbers ask for it.
"""

import struct
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

PART_BYTES = 512_000
MOST_SHORT, MOST_LONG = 0xFFFF, 0xFFFFFFFF

_PLAIN, _ZIP64 = 20, 45
_UNIX = 3 << 8
_UTF8 = 0x800
_FILE_MODE = 0o100644 << 16
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class ZipStream:
    """The archive so far; to be closed."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        self._at = 0
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.close()

    def begin(self, name: str, *, size: int, crc: int, modified: datetime | None = None) -> bytes:
        """Return what stands before a file's bytes, of which exactly `size` have to follow.

        Args:
            name: Relative, with `/` between folders.
            size: Bytes.
            crc: Their CRC-32.
            modified: When it was made; now, unless told.
        """
        called = name.encode("utf-8", "replace")
        is_large = size >= MOST_LONG
        sizes = struct.pack("<HHQQ", 1, 16, size, size) if is_large else b""
        told = MOST_LONG if is_large else size
        alike = struct.pack("<HHIIII", _UTF8, 0, _dos_time(modified), crc, told, told)
        needed = _ZIP64 if is_large else _PLAIN
        head = struct.pack("<4sH", b"PK\3\4", needed) + alike + struct.pack("<HH", len(called), len(sizes))
        self._note(called, alike, size=size if is_large else None)
        self._at += len(head) + len(called) + len(sizes) + size
        self._count += 1
        return head + called + sizes

    def end(self) -> Iterator[bytes]:
        """Yield what stands behind the last file."""
        size = self._directory.tell()
        self._directory.seek(0)
        while part := self._directory.read(PART_BYTES):
            yield part
        count, start = self._count, self._at
        if count >= MOST_SHORT or max(size, start) >= MOST_LONG:
            yield struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, _UNIX | _ZIP64, _ZIP64, 0, 0, count, count, size, start)
            yield struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
        short, long_size, long_start = min(count, MOST_SHORT), min(size, MOST_LONG), min(start, MOST_LONG)
        yield struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, short, short, long_size, long_start, 0)

    def _note(self, called: bytes, alike: bytes, *, size: int | None) -> None:
        numbers = [] if size is None else [size, size]
        if self._at >= MOST_LONG:
            numbers.append(self._at)
        more = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
        needed = _ZIP64 if numbers else _PLAIN
        self._directory.write(struct.pack("<4sHH", b"PK\1\2", _UNIX | needed, needed) + alike)
        lengths = struct.pack("<HHHHH", len(called), len(more), 0, 0, 0)
        self._directory.write(lengths + struct.pack("<II", _FILE_MODE, min(self._at, MOST_LONG)) + called + more)


def _dos_time(moment: datetime | None) -> int:
    at = moment or datetime.now(UTC)
    year, month, day, hour, minute, second = max(_EARLIEST, at.timetuple()[:6])
    # Two numbers of two bytes, the time and then the date: as one of four the time comes first, too.
    return (year - 1980) << 25 | month << 21 | day << 16 | hour << 11 | minute << 5 | second // 2
