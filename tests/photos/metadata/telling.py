"""Photos that tell something of themselves, in every format, and what they are found to tell."""

import io
import struct
import zlib
from typing import Any

from PIL import Image, IptcImagePlugin

from tests.photos.pictures import drawn, saved

COPYRIGHT, DESCRIPTION, EXIF_DIRECTORY, GPS = 0x8298, 0x010E, 0x8769, 0x8825
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>a red shirt</rdf:RDF></x:xmpmeta>'
IPTC = b"\x1c\x02\x50\x00\x05Maria"
THUMBNAIL = b"the old picture" * 20


def exif(orientation: int | None = None) -> bytes:
    """Return Exif with a copyright, a place on earth and a comment, from the TIFF header on."""
    tags = Image.Exif()
    tags[COPYRIGHT] = "Ours"
    tags[DESCRIPTION] = "A red shirt"
    if orientation is not None:
        tags[0x0112] = orientation
    tags.get_ifd(EXIF_DIRECTORY)[0x9286] = b"ASCII\x00\x00\x00a comment that is longer than four bytes"
    tags.get_ifd(GPS).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    return tags.tobytes().removeprefix(b"Exif\x00\x00")


def with_thumbnail(block: bytes) -> bytes:
    """Return Exif with a small picture behind it."""
    order = "<" if block[:1] == b"I" else ">"
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, first)
    found = bytearray(block)
    struct.pack_into(f"{order}I", found, first + 2 + 12 * count, len(block))
    place = len(block) + 2 + 24 + 4
    second = struct.pack(f"{order}HHHIIHHIII", 2, 0x0201, 4, 1, place, 0x0202, 4, 1, len(THUMBNAIL), 0)
    return bytes(found) + second + THUMBNAIL


def resources() -> bytes:
    """Return Photoshop's resources: IPTC and a thumbnail."""
    parts = ((0x0404, IPTC), (0x040C, THUMBNAIL))
    return b"".join(
        b"8BIM" + struct.pack(">H", number) + b"\x00\x00" + struct.pack(">I", len(body)) + body + bytes(len(body) % 2)
        for number, body in parts
    )


def segment(kind: int, body: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return bytes((0xFF, kind)) + struct.pack(">H", len(body) + 2) + body


def jpeg(picture: Image.Image | None = None, orientation: int | None = None, **options: Any) -> bytes:
    """Return a JPEG that tells all it can."""
    plain = saved(picture or drawn(), "JPEG", **({"dpi": (300, 300), "quality": 90} | options))
    told = segment(0xE1, b"Exif\x00\x00" + with_thumbnail(exif(orientation)))
    told += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + XMP)
    told += segment(0xED, b"Photoshop 3.0\x00" + resources())
    told += segment(0xFE, b"a comment") + segment(0xE2, b"MPF\x00 another picture") + segment(0xEB, b"signed")
    return plain[:20] + told + plain[20:]


def png(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a PNG that tells all it can."""
    plain = saved(picture or drawn(), "PNG", **({"dpi": (300, 300), "exif": with_thumbnail(exif())} | options))
    return with_texts(plain)


def with_texts(plain: bytes) -> bytes:
    """Return a PNG with texts of three kinds, a gamma and a preview."""
    texts = [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"tEXt", b"Author\x00Maria"),
        (b"zTXt", b"Title\x00\x00" + zlib.compress(b"A red shirt")),
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP),
        (b"prVW", THUMBNAIL),
    ]
    chunks = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in texts
    )
    return plain[:33] + chunks + plain[33:]


def webp(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a WebP that tells all it can."""
    told = {"exif": b"Exif\x00\x00" + with_thumbnail(exif()), "xmp": XMP}
    return saved(picture or drawn(), "WEBP", **(told | {"lossless": True} | options))


def tiff(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a TIFF that tells all it can."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[COPYRIGHT], tags[DESCRIPTION], tags[700], tags[34377] = "Ours", "A red shirt", XMP, resources()
    tags.tagtype[700] = tags.tagtype[34377] = 1
    tags[EXIF_DIRECTORY] = {0x9286: b"ASCII\x00\x00\x00a comment that is longer than four bytes"}
    tags[GPS] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    return saved(picture or drawn(), "TIFF", **({"tiffinfo": tags, "dpi": (300, 300)} | options))


def avif(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return an AVIF that tells all it can."""
    told = {"exif": with_thumbnail(exif()), "xmp": XMP, "quality": 80}
    return saved(picture or drawn(), "AVIF", **(told | options))


def gif(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a GIF that tells all it can."""
    return saved(
        picture or drawn(), "GIF", **({"comment": b"a comment, and one that is long: " + b"x" * 300} | options)
    )


def bmp(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a BMP that tells all it can."""
    return saved(picture or drawn(), "BMP", **({"dpi": (300, 300)} | options))


ALL = {"JPEG": jpeg, "PNG": png, "WEBP": webp, "TIFF": tiff, "AVIF": avif, "GIF": gif, "BMP": bmp}


def told(data: bytes) -> dict[str, Any]:
    """Return what Pillow finds that a file tells."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        tags = image.getexif()
        found: dict[str, Any] = {
            "copyright": tags.get(COPYRIGHT),
            "description": tags.get(DESCRIPTION),
            "comment": tags.get_ifd(EXIF_DIRECTORY).get(0x9286),
            "gps": {number: value for number, value in tags.get_ifd(GPS).items() if number in {1, 2, 3, 4}},
            "xmp": image.info.get("xmp"),
            "iptc": IptcImagePlugin.getiptcinfo(image) if image.format in {"JPEG", "TIFF"} else None,
            "texts": {name: image.info[name] for name in ("Author", "Title") if name in image.info},
            "gamma": image.info.get("gamma"),
            "comments": image.info.get("comment"),
            "dpi": tuple(round(float(each)) for each in image.info.get("dpi", ())),
        }
    return {name: value for name, value in found.items() if value and value != (1, 1)}
