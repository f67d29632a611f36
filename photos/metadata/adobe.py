"""Adobe's two ways to tell things, without the small pictures in them."""

import struct

_MARK = b"8BIM"
_LEFT_OUT = {
    0x0409,  # a thumbnail
    0x040C,  # a thumbnail
    0x0422,  # Exif, which has its own place
    0x0423,
    0x0424,  # XMP, as well
}
_THUMBNAILS = (
    (b"<xmp:Thumbnails", b"</xmp:Thumbnails>"),
    (b"<xap:Thumbnails", b"</xap:Thumbnails>"),
)
_PICTURES = (b"Thumbnails", b"GImage", b"GDepth", b"xmpGImg")


def cleaned_resources(data: bytes) -> bytes:
    """Return Photoshop's resources as far as they can be read, without pictures and what has its own place."""
    kept, at = [], 0
    while data[at : at + 4] == _MARK and at + 12 <= len(data):
        (number,) = struct.unpack_from(">H", data, at + 4)
        name = 1 + data[at + 6]
        start = at + 6 + name + name % 2
        if start + 4 > len(data):
            break
        (size,) = struct.unpack_from(">I", data, start)
        end = start + 4 + size
        if end > len(data):
            break
        if number not in _LEFT_OUT:
            kept.append(data[at:end] + bytes(size % 2))
        at = end + size % 2
    return b"".join(kept)


def cleaned_xmp(xmp: bytes) -> bytes:
    """Return XML without thumbnails."""
    for start, end in _THUMBNAILS:
        kept, at = [], 0
        while (found := xmp.find(start, at)) >= 0:
            stop = xmp.find(end, found)
            if stop < 0:
                return b""
            kept.append(xmp[at:found])
            at = stop + len(end)
        xmp = b"".join([*kept, xmp[at:]])
    return xmp


def cleaned_extension(parts: list[bytes]) -> list[bytes]:
    """Return what goes on from XML, unless there are pictures in it."""
    whole = b"".join(parts)
    return [] if any(name in whole for name in _PICTURES) else parts
