"""Photos to check: drawn, so that every one is the same on every machine."""

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw


def drawn(width: int = 600, height: int = 640, mode: str = "RGB", text: str | None = None) -> Image.Image:
    """Return a smooth picture with a shape on it, and perhaps a word."""
    slope = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (slope, slope.transpose(Image.Transpose.FLIP_TOP_BOTTOM), slope))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill=(200, 60, 40))
    if text:
        draw.text((width // 10, height // 10), text, fill="white", font_size=height // 12)
    return picture.convert(mode)


def saved(picture: Image.Image, format_name: str = "JPEG", **options: Any) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    picture.save(file, format_name, **options)
    return file.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    """Return a PNG's first bytes."""
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def bomb() -> bytes:
    """Return a small file that unpacks to 3,600 megapixels."""
    rows = zlib.compress(bytes(10_000_000))
    return png_header(60_000, 60_000) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def highest(picture: Image.Image) -> int:
    """Return the highest level in a grey picture."""
    return max(level for level, count in enumerate(picture.histogram()) if count)
