"""Photos to check: drawn, so that every one is the same on every machine."""

import io
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
