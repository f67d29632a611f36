"""What shops and suppliers print over a photo: the four kinds of element."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BRANDS = ("NORTHFOLD", "Casa Lumen", "OAKLINE", "Velora", "TRAILMARK")
PROMOS = ("FREE SHIPPING", "NEW ARRIVAL", "BUY 2 GET 1 FREE", "LIMITED EDITION", "BEST SELLER")
BADGES = ("-50%", "SALE $19", "HOT DEAL", "-30% TODAY", "TOP RATED")
MARKS = ("SAMPLE ONLY", "supplier.example", "PREVIEW COPY", "wholesale.example")
BLOCKS = ("#d8232a", "#0b7a4b", "#f2a900", "#1f3fa8", "#111111")
INKS = ("#c4161c", "#143c9c", "#0d5c3a")


def font(size: float) -> ImageFont.FreeTypeFont:
    """The scalable face that Pillow itself carries."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise TypeError("this Pillow was built without FreeType, which the sample catalogue needs for its lettering")
    return loaded


def add_overlays(plate: Image.Image, elements: frozenset[int], rng: np.random.Generator) -> Image.Image:
    """Returns a copy of the plate with the wanted elements (1 to 4) on it."""
    picture = plate.convert("RGBA")
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    if 1 in elements:
        _watermark(layer, str(rng.choice(MARKS)), rng)
    if 2 in elements:
        dark = np.asarray(plate.convert("L"))[: int(plate.height * 0.15)].mean() < 110
        _brand(layer, str(rng.choice(BRANDS)), "#ffffff" if dark else "#141414")
    if 3 in elements:
        dark = np.asarray(plate.convert("L"))[int(plate.height * 0.88) :].mean() < 110
        _promo(layer, str(rng.choice(PROMOS)), "#ffffff" if dark else str(rng.choice(INKS)))
    if 4 in elements:
        _badge(layer, str(rng.choice(BADGES)), str(rng.choice(BLOCKS)))
    return Image.alpha_composite(picture, layer).convert("RGB")


def _watermark(layer: Image.Image, text: str, rng: np.random.Generator) -> None:
    width, height = layer.size
    face = font(min(width, height) * 0.062)
    mark = Image.new("RGBA", layer.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(mark)
    stroke = max(1, round(width / 550))
    long = draw.textlength(text, face)
    for row in range(3):
        x = float(rng.uniform(0.03 * width, max(0.04 * width, 0.97 * width - long)))
        y = height * (0.26 + 0.23 * row)
        draw.text(
            (x, y), text, font=face, fill=(255, 255, 255, 118), stroke_width=stroke, stroke_fill=(120, 120, 120, 96)
        )
    layer.alpha_composite(mark)


def _brand(layer: Image.Image, text: str, ink: str) -> None:
    width, height = layer.size
    unit = min(width, height)
    ImageDraw.Draw(layer).text((width * 0.05, unit * 0.045), text, font=font(unit * 0.055), fill=ink)


def _promo(layer: Image.Image, text: str, ink: str) -> None:
    width, height = layer.size
    unit = min(width, height)
    ImageDraw.Draw(layer).text((width * 0.07, height - unit * 0.115), text, font=font(unit * 0.066), fill=ink)


def _badge(layer: Image.Image, text: str, colour: str) -> None:
    width, height = layer.size
    unit = min(width, height)
    face = font(unit * 0.056)
    draw = ImageDraw.Draw(layer)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=face)
    pad = unit * 0.03
    x1, y0 = width * 0.955, unit * 0.045
    x0, y1 = x1 - (right - left) - 2 * pad, y0 + (bottom - top) + 1.5 * pad
    draw.rounded_rectangle((x0, y0, x1, y1), radius=unit * 0.014, fill=colour)
    draw.text((x0 + pad - left, y0 + 0.75 * pad - top), text, font=face, fill="#ffffff")
