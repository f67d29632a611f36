"""What a TIFF tells: tags of its first directory, and the two below it that Exif and GPS are in.

They are given on as Exif is, with their places counted anew. Everything else of a TIFF's directories says how its
pixels lie, or shows the photo once more.
"""

import struct
from dataclasses import dataclass, replace
from fractions import Fraction

from photos.metadata.adobe import cleaned_resources, cleaned_xmp
from photos.metadata.told import MOST_BYTES, PER_CM, PER_INCH, RATIO, Density, Told

_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_NUMBERS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
_BELOW = {34665, 34853, 40965}
_XMP, _RESOURCES, _IPTC = 700, 34377, 33723
_DENSITY = (282, 283, 296)
_UNITS = {1: RATIO, 2: PER_INCH, 3: PER_CM}
_TOLD = {
    *(269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)),
    *(_IPTC, 34665, 34853),
}
_PICTURE = {
    *range(254, 260),
    *(262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 290, 291, 292, 293, 301),
    *(317, 318, 319, *range(320, 326), 332, 334, 336, *range(338, 348)),
    *(*range(512, 522), 529, 530, 531, 532, 34675, 50674),
}
_READ = frozenset({*_TOLD, *_DENSITY, _XMP, _RESOURCES})
_MOST_TAGS = 500
_MOST_DIRECTORIES = 100
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: bytes
    below: tuple["_Entry", ...] = ()


def read_tiff(data: bytes) -> Told:
    """Return what a TIFF tells; of one with 64-bit places nothing is read."""
    told = Told()
    order = _ORDERS.get(data[:4])
    if order is None:
        told.is_cut = True
        return told
    first = int.from_bytes(data[4:8], "little" if order == "<" else "big")
    reading = _Reading(data, order)
    tags = {each.tag: each for each in reading.directory(first, _READ)}
    told.is_cut = reading.is_cut
    if _XMP in tags:
        told.xmp = cleaned_xmp(told.take(tags[_XMP].value))
    if _RESOURCES in tags:
        told.resources = cleaned_resources(told.take(tags[_RESOURCES].value))
    told.exif = told.take(_block([tags[tag] for tag in sorted(_TOLD & tags.keys())], order))
    told.density = _density(tags, order)
    return told


def write_tiff(data: bytes, told: Told) -> bytes:
    """Return a TIFF that tells this and nothing else; what it told before is overwritten.

    Raises:
        ValueError: It has 64-bit places, or its directories cannot be read.
    """
    order = _ORDERS.get(data[:4])
    if order is None:
        raise ValueError("it has 64-bit places")
    found = bytearray(data)
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    at = first
    baring = _Baring(found, order, len(found))
    for _ in range(_MOST_DIRECTORIES):
        if not at:
            break
        at = baring.bare(at)
    if at:
        raise ValueError("it has more pages than are looked at")
    added = _added(told, order)
    if not added:
        return bytes(found)
    found += bytes(len(found) % 2)
    (count,) = struct.unpack_from(f"{order}H", found, first)
    old = bytes(found[first + 2 : first + 2 + 12 * count])
    link = bytes(found[first + 2 + 12 * count : first + 6 + 12 * count])
    place = len(found)
    entries = [old[start : start + 12] for start in range(0, len(old), 12)]
    made, behind = _laid_out(added, order, place + 6 + 12 * (count + len(added)))
    tag = struct.Struct(f"{order}H")
    entries = sorted(entries + made, key=lambda entry: tag.unpack_from(entry)[0])
    found += struct.pack(f"{order}H", len(entries)) + b"".join(entries) + link + behind
    struct.pack_into(f"{order}I", found, 4, place)
    return bytes(found)


@dataclass(slots=True)
class _Reading:
    """Entries read so far: places may be named again and again, so that a small file would come to any size.

    Args:
        data: A file, or a block of Exif.
        order: Of its bytes.
    """

    data: bytes
    order: str
    is_cut: bool = False
    _room: int = MOST_BYTES
    _directories: int = _MOST_DIRECTORIES

    def directory(self, at: int, wanted: frozenset[int] | None = None, depth: int = 1) -> list[_Entry]:
        """Return the entries of a directory, as far as they can be read and there is room for them.

        Args:
            at: Where it is.
            wanted: Tags; None for all.
            depth: Of directories below each other.
        """
        if at + 2 > len(self.data) or not self._directories:
            self.is_cut = self.is_cut or not self._directories
            return []
        self._directories -= 1
        (count,) = struct.unpack_from(f"{self.order}H", self.data, at)
        entries = []
        for place in range(at + 2, min(at + 2 + 12 * min(count, _MOST_TAGS), len(self.data) - 11), 12):
            tag, kind, values = struct.unpack_from(f"{self.order}HHI", self.data, place)
            if wanted is None or tag in wanted:
                entry = self._entry(place, tag, kind, values, depth)
                entries += [] if entry is None else [entry]
        return entries

    def _entry(self, place: int, tag: int, kind: int, values: int, depth: int) -> _Entry | None:
        size = values * _SIZES.get(kind, 0)
        start = place + 8 if size <= 4 else struct.unpack_from(f"{self.order}I", self.data, place + 8)[0]
        if not size or start + size > len(self.data):
            return None
        if size > self._room:
            self.is_cut = True
            return None
        self._room -= size
        value = self.data[start : start + size]
        if tag not in _BELOW:
            return _Entry(tag, kind, values, value)
        if depth == _MOST_DEPTH or kind not in {4, 13} or values != 1:
            return None
        below = self.directory(struct.unpack(f"{self.order}I", value)[0], None, depth + 1)
        return _Entry(tag, 4, values, value, tuple(below)) if below else None


@dataclass(slots=True)
class _Baring:
    """What a file tells, overwritten where it lies.

    Args:
        data: The file.
        order: Of its bytes.
        room: So many bytes may be overwritten; no two tags of a photo share any.
    """

    data: bytearray
    order: str
    room: int

    def bare(self, at: int) -> int:
        """Leave in a directory what its picture needs, overwrite the rest, and return where the next one is.

        Raises:
            ValueError: It is cut off, or its tags lie in each other.
        """
        (count,) = struct.unpack_from(f"{self.order}H", self.data, at)
        end = at + 2 + 12 * count
        if end + 4 > len(self.data):
            raise ValueError("a directory is cut off")
        (link,) = struct.unpack_from(f"{self.order}I", self.data, end)
        kept = bytearray()
        for place in range(at + 2, end, 12):
            tag, kind, values, start = struct.unpack_from(f"{self.order}HHII", self.data, place)
            if tag in _PICTURE:
                kept += self.data[place : place + 12]
                continue
            self._overwrite(kind, values, start)
            if tag in _BELOW:
                self._overwrite_below(start)
        struct.pack_into(f"{self.order}H", self.data, at, len(kept) // 12)
        left = bytes(kept) + struct.pack(f"{self.order}I", link)
        self.data[at + 2 : end + 4] = left + bytes(end + 4 - at - 2 - len(left))
        return int(link)

    def _overwrite_below(self, at: int, depth: int = 2) -> None:
        if at + 2 > len(self.data) or depth > _MOST_DEPTH:
            return
        (count,) = struct.unpack_from(f"{self.order}H", self.data, at)
        for place in range(at + 2, min(at + 2 + 12 * min(count, _MOST_TAGS), len(self.data) - 11), 12):
            tag, kind, values, start = struct.unpack_from(f"{self.order}HHII", self.data, place)
            self._overwrite(kind, values, start)
            if tag in _BELOW:
                self._overwrite_below(start, depth + 1)
            self.data[place : place + 12] = bytes(12)

    def _overwrite(self, kind: int, values: int, start: int) -> None:
        size = values * _SIZES.get(kind, 0)
        if size <= 4 or start + size > len(self.data):
            return
        self.room -= size
        if self.room < 0:
            raise ValueError("its tags lie in each other")
        self.data[start : start + size] = bytes(size)


def _block(entries: list[_Entry], order: str) -> bytes:
    """Return entries as a block of Exif."""
    if not entries:
        return b""
    made, behind = _laid_out(entries, order, 14 + 12 * len(entries))
    start = b"II*\x00" if order == "<" else b"MM\x00*"
    return start + struct.pack(f"{order}IH", 8, len(made)) + b"".join(made) + bytes(4) + behind


def _laid_out(entries: list[_Entry], order: str, place: int) -> tuple[list[bytes], bytes]:
    """Return a directory's entries and what they point to, which begins at a place."""
    made, behind = [], b""
    for each in entries:
        value = each.value
        if each.below:
            inner, outer = _laid_out(list(each.below), order, place + len(behind) + 6 + 12 * len(each.below))
            body = struct.pack(f"{order}H", len(inner)) + b"".join(inner) + bytes(4) + outer
            value = struct.pack(f"{order}I", place + len(behind))
            behind += body + bytes(len(body) % 2)
        elif len(value) > 4:
            behind, value = behind + value + bytes(len(value) % 2), struct.pack(f"{order}I", place + len(behind))
        made.append(struct.pack(f"{order}HHI", each.tag, each.kind, each.count) + value.ljust(4, b"\x00"))
    return made, behind


def _added(told: Told, order: str) -> list[_Entry]:
    """Return what is told as entries in this order of bytes."""
    entries: list[_Entry] = []
    theirs = _ORDERS.get(told.exif[:4])
    if theirs is not None:
        first = int.from_bytes(told.exif[4:8], "little" if theirs == "<" else "big")
        found = _Reading(told.exif, theirs).directory(first, frozenset(_TOLD))
        entries = [_turned(each) if theirs != order else each for each in found]
    if told.xmp:
        entries.append(_Entry(_XMP, 1, len(told.xmp), told.xmp))
    if told.resources:
        entries.append(_Entry(_RESOURCES, 7, len(told.resources), told.resources))
    if told.density is not None:
        unit = next(number for number, name in _UNITS.items() if name == told.density.unit)
        for tag, number in zip(_DENSITY, (told.density.across, told.density.down), strict=False):
            close = number.limit_denominator(10_000)
            value = struct.pack(f"{order}II", close.numerator % 2**32, close.denominator)
            entries.append(_Entry(tag, 5, 1, value))
        entries.append(_Entry(_DENSITY[2], 3, 1, struct.pack(f"{order}H", unit)))
    return entries


def _turned(entry: _Entry) -> _Entry:
    size = _NUMBERS.get(entry.kind, 1)
    value = b"".join(entry.value[at : at + size][::-1] for at in range(0, len(entry.value), size))
    return replace(entry, value=value, below=tuple(_turned(each) for each in entry.below))


def _density(tags: dict[int, _Entry], order: str) -> Density | None:
    sides = []
    for tag in _DENSITY[:2]:
        if tag not in tags or tags[tag].kind != 5:
            return None
        over, under = struct.unpack_from(f"{order}II", tags[tag].value)
        if not over or not under:
            return None
        sides.append(Fraction(over, under))
    unit = tags.get(_DENSITY[2])
    number = struct.unpack_from(f"{order}H", unit.value)[0] if unit is not None and unit.kind == 3 else 2
    return Density(sides[0], sides[1], _UNITS.get(number, RATIO))
