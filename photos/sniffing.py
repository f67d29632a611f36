"""Naming what a file is by its first bytes, for messages: people send everything under the name .jpg."""

from typing import NamedTuple


class FileKind(NamedTuple):
    """What a file starts like.

    Args:
        name: With its article, for a sentence.
        is_picture: Whether it is a picture at all.
    """

    name: str
    is_picture: bool = True


_TIFF, _HEIC, _JXL = FileKind("a TIFF"), FileKind("a HEIC"), FileKind("a JPEG XL")
_HTML = FileKind("an HTML page", is_picture=False)

_BY_START = {
    b"\xff\xd8\xff": FileKind("a JPEG"),
    b"\x89PNG\r\n\x1a\n": FileKind("a PNG"),
    b"BM": FileKind("a BMP"),
    b"GIF87a": FileKind("a GIF"),
    b"GIF89a": FileKind("a GIF"),
    b"II*\x00": _TIFF,
    b"MM\x00*": _TIFF,
    b"II+\x00": _TIFF,
    b"MM\x00+": _TIFF,
    b"8BPS": FileKind("a Photoshop file"),
    b"\x00\x00\x01\x00": FileKind("an icon file"),
    b"\xff\x0a": _JXL,
    b"\x00\x00\x00\x0cJXL ": _JXL,
    b"\x00\x00\x00\x0cjP  ": FileKind("a JPEG 2000"),
    b"%PDF": FileKind("a PDF", is_picture=False),
    b"PK\x03\x04": FileKind("a ZIP archive", is_picture=False),
    b"\x1f\x8b": FileKind("a gzip file", is_picture=False),
}
_BY_BRAND = {
    b"avif": FileKind("an AVIF"),
    b"avis": FileKind("an AVIF"),
    b"heic": _HEIC,
    b"heix": _HEIC,
    b"mif1": _HEIC,
}
_BY_TEXT = {
    b"<!doctype html": _HTML,
    b"<html": _HTML,
    b"<head": _HTML,
    b"<body": _HTML,
    b"<": FileKind("an XML or HTML document", is_picture=False),
    b"{": FileKind("a JSON document", is_picture=False),
    b"[": FileKind("a JSON document", is_picture=False),
}


def kind_of(data: bytes) -> FileKind | None:
    """Return what a file starts like; None when nothing is recognised."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return FileKind("a WebP")
    if data[4:8] == b"ftyp":
        return _BY_BRAND.get(data[8:12], FileKind("a video", is_picture=False))
    text = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<") and b"<svg" in text:
        return FileKind("an SVG")
    known = [kind for start, kind in _BY_START.items() if data.startswith(start)]
    known += [kind for start, kind in _BY_TEXT.items() if text.startswith(start)]
    return known[0] if known else None
