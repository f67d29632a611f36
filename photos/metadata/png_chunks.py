"""What a PNG tells: chunks, text of which stays packed as it is."""

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction

from photos.metadata.adobe import cleaned_resources, cleaned_xmp
from photos.metadata.exif_block import HEADER, upright
from photos.metadata.told import PER_CM, RATIO, Density, Told

START = b"\x89PNG\r\n\x1a\n"
_XMP = b"XML:com.adobe.xmp\x00"
_HEX_RESOURCES, _HEX_XMP = b"Raw profile type 8bim\x00", b"Raw profile type xmp\x00"
_HEX_EXIF = (b"Raw profile type exif\x00", b"Raw profile type APP1\x00")
_IN_FIGURES = (*_HEX_EXIF, _HEX_XMP, _HEX_RESOURCES)
MOST_IN_FIGURES = 500_000
"""Bytes that are written as text; more are not unpacked."""
MOST_PROFILES = 10
"""So many that are written as text are read; each takes its time."""
_TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"tIME"}
_COLOURS = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI"}
_WITH_COLOURS = {b"iCCP", b"sRGB", b"cICP", b"gAMA", b"cHRM"}
_PICTURE = _COLOURS | {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sBIT", b"bKGD", b"hIST", b"sPLT"),
    *(b"acTL", b"fcTL", b"fdAT"),
}


def read_png(data: bytes) -> Told:
    """Return what a PNG tells."""
    told, in_figures, unread = Told(), b"", MOST_PROFILES
    for name, body, _ in _chunks(data):
        is_profile = name in _TEXTS and body.startswith(_IN_FIGURES)
        unread -= is_profile
        if name == b"eXIf":
            told.exif = told.take(body)
        elif is_profile and unread < 0:
            told.is_cut = True
        elif name == b"iTXt" and body.startswith(_XMP + b"\x00"):
            # Not packed, and after that two more texts that end with a zero.
            told.xmp = cleaned_xmp(told.take(body[len(_XMP) + 2 :].split(b"\x00", 2)[-1]))
        elif is_profile and body.startswith(_HEX_EXIF):
            # No viewer looks at a turn that it tells of.
            in_figures = told.take(upright(_from_figures(name, body)))
        elif is_profile and body.startswith(_HEX_XMP):
            told.xmp = told.xmp or cleaned_xmp(told.take(_from_figures(name, body)))
        elif is_profile and body.startswith(_HEX_RESOURCES):
            found = cleaned_resources(_from_figures(name, body))
            text = f"\n8bim\n{len(found):8d}\n{found.hex()}\n".encode()
            told.take_into(told.texts, b"tEXt" + _HEX_RESOURCES + text if found else b"")
        elif name in _TEXTS:
            told.take_into(told.texts, name + body)
        elif name in _COLOURS:
            told.take_into(told.colours, name + body)
        elif name == b"pHYs" and len(body) == 9:
            told.density = _density(body)
    told.exif = told.exif or in_figures
    return told


def write_png(data: bytes, told: Told) -> bytes:
    """Return a PNG that tells this and nothing else."""
    kept: list[bytes | memoryview] = [START]
    names: set[bytes] = set()
    end: bytes | memoryview = b""
    for name, _, raw in _chunks(data):
        names.add(name)
        if name == b"IEND":
            end = raw
        elif name == b"IHDR":
            kept += [raw, b"", _chunk(b"pHYs" + _density_bytes(told.density)) if told.density else b""]
            kept.append(_chunk(b"eXIf" + told.exif) if told.exif else b"")
            if told.xmp:
                kept.append(_chunk(b"iTXt" + _XMP + bytes(4) + told.xmp))
            kept += [_chunk(each) for each in told.texts]
        elif name in _PICTURE:
            kept.append(raw)
    if not names & _WITH_COLOURS:
        kept[2] = b"".join(_chunk(each) for each in told.colours)
    return b"".join([*kept, end])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, memoryview]]:
    """Give the name and content of each chunk, and the whole of it, which is not copied."""
    at, whole = len(START), memoryview(data)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name = data[at + 4 : at + 8]
        yield name, b"" if name == b"IDAT" else data[at + 8 : at + 8 + length], whole[at : at + 12 + length]
        if name == b"IEND":
            return
        at += 12 + length


def _from_figures(name: bytes, body: bytes) -> bytes:
    """Return what is written as text: a line with its kind, one with its length, and then figures."""
    text = body.partition(b"\x00")[2]
    try:
        if name == b"zTXt":
            text = zlib.decompressobj().decompress(text[1:], 3 * MOST_IN_FIGURES)
        found = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except (zlib.error, ValueError):
        return b""
    return found.removeprefix(HEADER)


def _chunk(named: bytes) -> bytes:
    return struct.pack(">I", len(named) - 4) + named + struct.pack(">I", zlib.crc32(named))


def _density(body: bytes) -> Density | None:
    across, down, unit = struct.unpack(">IIB", body)
    if not across or not down or unit > 1:
        return None
    per = 100 if unit else 1
    return Density(Fraction(across, per), Fraction(down, per), PER_CM if unit else RATIO)


def _density_bytes(density: Density) -> bytes:
    across, down = density.per(PER_CM)
    per = 1 if density.unit == RATIO else 100
    most = 2**31 - 1
    return struct.pack(">IIB", min(round(across * per), most), min(round(down * per), most), density.unit != RATIO)
