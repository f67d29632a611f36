"""Pictures that hurt their decoders, at two sizes: small ones for tests, and as large as may be handed in."""

import io
import struct
import zlib
from collections.abc import Callable, Iterable

from PIL import Image

Make = Callable[[int], bytes]
"""Returns a picture of about so many bytes, if its kind has a size at all."""


def jpeg(size: tuple[int, int] = (640, 640), mode: str = "RGB", **options: object) -> bytes:
    """Return an honest JPEG."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, "JPEG", **options)
    return file.getvalue()


def saved(size: tuple[int, int], mode: str, format_name: str, **options: object) -> bytes:
    """Return an honest picture that is as large as it says."""
    file = io.BytesIO()
    Image.new(mode, size, 1).save(file, format_name, **options)
    return file.getvalue()


def _in_jpeg(unit: bytes, before: bytes = b"") -> Make:
    def make(size: int) -> bytes:
        honest = jpeg()
        return honest[:2] + before + unit * (size // len(unit)) + honest[2:]

    return make


def _segment(kind: int, data: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(data) + 2) + data


def _claiming(width: int, height: int, **options: object) -> Make:
    def make(_: int) -> bytes:
        data = bytearray(jpeg(**options))  # type: ignore[arg-type]
        at = next(at for at in range(len(data)) if data[at] == 0xFF and data[at + 1] in {0xC0, 0xC2})
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
        return bytes(data)

    return make


def _many_scans(size: int) -> bytes:
    data = jpeg((2000, 2000), progressive=True)
    at = data.rfind(b"\xff\xda")
    scan = data[at:-2]
    return data[:at] + scan * max(2, size // len(scan)) + data[-2:]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colours: int, row: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return a PNG whose rows are all the same."""
    packer = zlib.compressobj(9)
    rows = [packer.compress(b"\0" + row) for _ in range(height)] if height < 20_000 else _packed(packer, row, height)
    head = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    body = chunk(b"IHDR", head) + before + chunk(b"IDAT", b"".join(rows) + packer.flush()) + after + chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + body


def _packed(packer: "zlib._Compress", row: bytes, height: int) -> list[bytes]:
    return [packer.compress((b"\0" + row) * 1000) for _ in range(height // 1000)]


def _in_png(unit: bytes) -> Make:
    return lambda size: png(640, 640, 8, 2, b"\1\2\3" * 640, before=unit * (size // len(unit)))


def _text_of_nothing(size: int) -> bytes:
    packed = zlib.compress(bytes(60_000_000), 9)
    return png(640, 640, 8, 2, b"\1\2\3" * 640, before=chunk(b"zTXt", b"a\0\0" + packed) * max(1, size // 60_000))


def _gif(unit: bytes, frames: int = 1) -> Make:
    def make(size: int) -> bytes:
        head = b"GIF89a" + struct.pack("<HHBBB", 640, 640, 0xF0, 0, 0) + b"\0\0\0\xff\xff\xff"
        frame = b"," + struct.pack("<HHHHB", 0, 0, 640, 640, 0) + b"\x02\x02\x4c\x01\x00"
        return head + unit * (size // len(unit)) + frame * frames + b";"

    return make


def _gif_beyond(_: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0xF0, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\x00;"


def _bmp_of_runs(size: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, 10_900, 10_900, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54 + 1024) + head + bytes(1024) + bytes(size) + b"\0\1"


def _tiff(entries: Iterable[tuple[int, int, int, bytes | int]], tail: bytes = b"") -> bytes:
    told = list(entries)
    begin = 8 + 2 + 12 * len(told) + 4
    body = b""
    table = b""
    for tag, kind, count, value in told:
        where = begin + len(body) if isinstance(value, bytes) else value
        table += struct.pack("<HHII", tag, kind, count, where)
        body += value if isinstance(value, bytes) else b""
    return b"II*\0" + struct.pack("<IH", 8, len(told)) + table + bytes(4) + body + tail


def _strips(size: int) -> bytes:
    count = max(100_000, size // 4)
    plain = [(256, 3, 1, 640), (257, 3, 1, 640), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return _tiff([*plain, (273, 4, count, struct.pack("<I", 8) * count), (277, 3, 1, 1), (278, 3, 1, 1)], bytes(1000))


def _depths(size: int) -> bytes:
    count = max(3_000_000, size // 2)
    plain = [(256, 3, 1, 640), (257, 3, 1, 640), (259, 3, 1, 1), (262, 3, 1, 1)]
    strip = [(273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 640), (279, 4, 1, 640)]
    return _tiff([*plain, (258, 3, count, b"\1\0" * count), *strip], bytes(1000))


def _webp(size: tuple[int, int]) -> Make:
    def make(_: int) -> bytes:
        bits = (size[0] - 1) | (size[1] - 1) << 14
        body = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", bits) + bytes(5)
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body

    return make


def _avif_claiming(_: int) -> bytes:
    data = bytearray(saved((64, 64), "RGB", "AVIF", speed=10))
    at = data.find(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", 30_000, 30_000)
    return bytes(data)


def _avif_lying(_: int) -> bytes:
    data = bytearray(saved((8000, 8000), "RGB", "AVIF", speed=10, quality=10))
    at = 0
    while (at := data.find(b"ispe", at)) >= 0:
        data[at + 8 : at + 16] = struct.pack(">II", 64, 64)
        at += 4
    return bytes(data)


_EXIF = _segment(0xE1, b"Exif\0\0MM\0*")

KINDS: dict[str, Make] = {
    "JPEG of empty segments": _in_jpeg(b"\xff\xe4\x00\x02"),
    "JPEG of comments": _in_jpeg(_segment(0xFE, b"")),
    "JPEG of small Exif segments": _in_jpeg(_segment(0xE1, b"Exif\0\0" + b"A" * 8), _EXIF),
    "JPEG of large Exif segments": _in_jpeg(_segment(0xE1, b"Exif\0\0MM\0*" + b"A" * 65_500)),
    "JPEG of fill bytes": _in_jpeg(b"\xff"),
    "JPEG of marks without meaning": _in_jpeg(b"\xff\x00"),
    "JPEG with junk": _in_jpeg(b"\1", b"\xff\xfe\x00\x02"),
    "JPEG of many scans": _many_scans,
    "JPEG that claims 65,500 × 65,500": _claiming(65_500, 65_500),
    "JPEG that claims 119 MP": _claiming(10_900, 10_900),
    "JPEG that claims 119 MP, progressive": _claiming(10_900, 10_900, progressive=True),
    "JPEG that claims 119 MP, progressive CMYK": _claiming(10_900, 10_900, progressive=True, mode="CMYK"),
    "PNG of one column": lambda _: png(1, 30_000_000, 8, 0, b"\1"),
    "PNG of one row": lambda _: png(60_000_000, 1, 8, 0, bytes(60_000_000)),
    "PNG of 119 MP, transparent": lambda _: png(10_900, 10_900, 8, 6, b"\1\2\3\x80" * 10_900),
    "PNG of 119 MP, 16 bits": lambda _: png(10_900, 10_900, 16, 6, b"\1\2\3\x80" * 21_800),
    "PNG of small chunks": _in_png(chunk(b"abCd", b"x")),
    "PNG of small texts": _in_png(chunk(b"tEXt", b"a\0b")),
    "PNG of empty data": _in_png(chunk(b"IDAT")),
    "PNG with texts that unpack": _text_of_nothing,
    "GIF of extensions": _gif(b"!\xf9\x04\0\0\0\0\0"),
    "GIF of comments": _gif(b"!\xfe\x01A\0"),
    "GIF whose picture is beyond it": _gif_beyond,
    "BMP of run lengths": _bmp_of_runs,
    "TIFF of strips": _strips,
    "TIFF of depths": _depths,
    "TIFF of tags": lambda _: _tiff([(tag, 7, 900_000, 8) for tag in range(300, 30_000)], bytes(1_000_000)),
    "TIFF of 59 MP": lambda _: saved((7700, 7700), "CMYK", "TIFF", compression="tiff_adobe_deflate"),
    "WebP that claims 16,384 × 16,384": _webp((16_384, 16_384)),
    "WebP that claims 39 MP": _webp((6300, 6300)),
    "AVIF that claims 900 MP": _avif_claiming,
    "AVIF that is 64 MP and says little": _avif_lying,
}
"""What they are, and how each is made."""

SLOW = ("PNG of 119", "PNG of one", "PNG with", "TIFF of 59", "AVIF that", "JPEG that claims 119 MP, p")
CHEAP = [name for name in KINDS if not name.startswith(SLOW)]
"""Those that are made and refused in no time."""
