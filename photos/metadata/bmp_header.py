"""What a BMP tells: how large its pixels are."""

import struct
from fractions import Fraction

from photos.metadata.told import PER_CM, RATIO, Density, Told

_PLACE = 38
_OLD_HEADER_BYTES = 12


def read_bmp(data: bytes) -> Told:
    """Return what a BMP tells."""
    if not _has_place(data):
        return Told()
    across, down = struct.unpack_from("<ii", data, _PLACE)
    if across <= 0 or down <= 0:
        return Told()
    return Told(density=Density(Fraction(across, 100), Fraction(down, 100), PER_CM))


def write_bmp(data: bytes, told: Told) -> bytes:
    """Return a BMP that tells this."""
    if not _has_place(data):
        return data
    across = down = 0
    if told.density is not None and told.density.unit != RATIO:
        across, down = (min(round(each * 100), 2**31 - 1) for each in told.density.per(PER_CM))
    return data[:_PLACE] + struct.pack("<ii", across, down) + data[_PLACE + 8 :]


def _has_place(data: bytes) -> bool:
    return len(data) >= _PLACE + 8 and int.from_bytes(data[14:18], "little") > _OLD_HEADER_BYTES
