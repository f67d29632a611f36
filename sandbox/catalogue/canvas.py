"""A picture to paint on with soft shapes, light and shadow; places are given from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

Floats = NDArray[np.float32]
Colour = str | tuple[float, float, float]
Point = tuple[float, float]

SUPERSAMPLE = 3


def rgb(colour: Colour) -> Floats:
    """A colour as three floats of 0 to 255."""
    values = ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else colour
    return np.array(values, np.float32)


def smooth(points: Sequence[Point], rounds: int = 3) -> list[Point]:
    """Rounds the corners of a closed polygon by cutting them off again and again."""
    line = np.array(points, np.float64)
    for _ in range(rounds):
        after = np.roll(line, -1, axis=0)
        line = np.stack([0.75 * line + 0.25 * after, 0.25 * line + 0.75 * after], axis=1).reshape(-1, 2)
    return [(float(x), float(y)) for x, y in line]


class Canvas:
    """A square or upright picture; x runs from 0 to 1, y from 0 to height/width."""

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self.width = width
        self.height = height
        self.rng = rng
        self.pixels: Floats = np.full((height, width, 3), 255.0, np.float32)
        x = (np.arange(width, dtype=np.float32) + 0.5) / width
        y = (np.arange(height, dtype=np.float32) + 0.5) / width
        self.x: Floats = np.ascontiguousarray(np.broadcast_to(x[None, :], (height, width)))
        self.y: Floats = np.ascontiguousarray(np.broadcast_to(y[:, None], (height, width)))

    def polygon(self, points: Sequence[Point]) -> Floats:
        """A filled outline, with soft edges."""
        return self._drawn(points, lambda draw, scaled: draw.polygon(scaled, fill=255))

    def stroke(self, points: Sequence[Point], thickness: float) -> Floats:
        """A line of some thickness with round ends."""
        wide = max(1, round(thickness * self.width * SUPERSAMPLE))

        def trace(draw: ImageDraw.ImageDraw, scaled: list[Point]) -> None:
            draw.line(scaled, fill=255, width=wide, joint="curve")
            for x, y in (scaled[0], scaled[-1]):
                draw.ellipse((x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), fill=255)

        return self._drawn(points, trace, margin=thickness)

    def ellipse(self, centre: Point, rx: float, ry: float) -> Floats:
        """A filled ellipse."""
        mask = np.zeros((self.height, self.width), np.float32)
        edge = 1 / self.width + 0.5 * max(rx, ry) / (min(rx, ry) * self.width)
        rows = slice(*np.searchsorted(self.y[:, 0], (centre[1] - ry - edge, centre[1] + ry + edge)))
        columns = slice(*np.searchsorted(self.x[0], (centre[0] - rx - edge, centre[0] + rx + edge)))
        part = (rows, columns)
        distance = np.hypot((self.x[part] - centre[0]) / rx, (self.y[part] - centre[1]) / ry)
        mask[part] = np.clip((1 - distance) * min(rx, ry) * self.width + 0.5, 0, 1)
        return mask

    def rounded(self, x0: float, y0: float, x1: float, y1: float, radius: float) -> Floats:
        """A rectangle with round corners."""
        dx = np.maximum(np.maximum(x0 + radius - self.x, self.x - (x1 - radius)), 0)
        dy = np.maximum(np.maximum(y0 + radius - self.y, self.y - (y1 - radius)), 0)
        return np.asarray(np.clip((radius - np.hypot(dx, dy)) * self.width + 0.5, 0, 1), np.float32)

    def lathe(self, axis: float, profile: Sequence[Point]) -> tuple[Floats, Floats]:
        """A turned body from (y, half width) pairs: its mask, and where each pixel lies across it (-1 to 1)."""
        heights, widths = zip(*profile, strict=True)
        rows = self.y[:, 0]
        half = np.interp(rows, heights, widths, left=0.0, right=0.0).astype(np.float32)[:, None]
        across = (self.x - axis) / np.maximum(half, 1e-6)
        mask = np.clip((half - np.abs(self.x - axis)) * self.width + 0.5, 0, 1) * (half > 0)
        top, bottom = heights[0], heights[-1]
        mask = mask * np.clip((self.y - top) * self.width + 0.5, 0, 1)
        mask = mask * np.clip((bottom - self.y) * self.width + 0.5, 0, 1)
        return mask.astype(np.float32), np.clip(across, -1, 1).astype(np.float32)

    def paint(self, mask: Floats, colour: Colour | Floats, light: Floats | float = 1.0) -> None:
        """Lays a colour (or a whole picture of colours) over the canvas; light 1 leaves it, 0 is black, 2 is white."""
        rows = np.flatnonzero(mask.max(axis=1) > 0)
        columns = np.flatnonzero(mask.max(axis=0) > 0)
        if rows.size == 0:
            return
        part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        base = colour[part] if isinstance(colour, np.ndarray) and colour.ndim == 3 else _flat(colour)
        glow = light[part][..., None] if isinstance(light, np.ndarray) else np.full(1, light, np.float32)
        lit = base * np.minimum(glow, 1.0) + (255.0 - base) * np.clip(glow - 1.0, 0.0, 1.0)
        share = mask[part][..., None]
        self.pixels[part] += (lit - self.pixels[part]) * share

    def shade(self, mask: Floats, strength: float, colour: Colour = "#000000") -> None:
        """Darkens (or tints) the canvas by a share."""
        self.paint(mask * np.float32(strength), colour)

    def shadow(self, mask: Floats, *, shift: Point = (0.0, 0.0), blur: float = 0.02, strength: float = 0.35) -> None:
        """Throws the soft shadow of a shape."""
        moved = np.roll(mask, (round(shift[1] * self.width), round(shift[0] * self.width)), axis=(0, 1))
        self.shade(self.blurred(moved, blur), strength, "#1a1410")

    def ground_shadow(self, centre: Point, rx: float, ry: float, strength: float = 0.5) -> None:
        """The shadow under something that stands: dark where it touches, wide and faint around."""
        self.shade(self.blurred(self.ellipse(centre, rx * 1.25, ry * 1.6), 0.03), strength * 0.5, "#1a1410")
        self.shade(self.blurred(self.ellipse(centre, rx, ry * 0.7), 0.008), strength, "#120d0a")

    def blurred(self, mask: Floats, radius: float) -> Floats:
        """A mask out of focus; the radius is a share of the width."""
        small = 4 if radius * self.width > 8 else 1
        image = Image.fromarray((np.clip(mask, 0, 1) * 255).astype(np.uint8))
        shrunk = image.resize((max(1, self.width // small), max(1, self.height // small)), Image.Resampling.BOX)
        soft = shrunk.filter(ImageFilter.GaussianBlur(radius * self.width / small))
        back = soft.resize((self.width, self.height), Image.Resampling.BICUBIC)
        return np.asarray(np.asarray(back, np.float32) / 255.0, np.float32)

    def edge_light(self, mask: Floats, radius: float, dx: float = -0.6, dy: float = -0.8) -> Floats:
        """A relief: brighter towards the light at the rims of a shape, darker away from it (around 0)."""
        height = self.blurred(mask, radius)
        gy, gx = np.gradient(height)
        return np.asarray((gx * dx + gy * dy) * (-radius * self.width * 1.6), np.float32)

    def noise(self, scale: float, *, stretch: float = 1.0) -> Floats:
        """Smooth noise around 0; `scale` is the size of its grains, `stretch` how many times longer they are across."""
        high = max(2, int(self.height / self.width / scale))
        wide = max(2, int(1 / scale / stretch))
        grains = self.rng.normal(0, 1, (high, wide)).astype(np.float32)
        image = Image.fromarray(grains).resize((self.width, self.height), Image.Resampling.BICUBIC)
        return np.asarray(image, np.float32)

    def image(self) -> Image.Image:
        """The finished picture, with the faint grain of a camera."""
        grain = self.rng.normal(0, 0.8, self.pixels.shape[:2]).astype(np.float32)[..., None]
        return Image.fromarray(np.clip(self.pixels + grain, 0, 255).astype(np.uint8))

    def _drawn(self, points: Sequence[Point], draw: object, margin: float = 0.0) -> Floats:
        """Draws at several times the size, around the shape only, and shrinks the result."""
        assert callable(draw)
        xs, ys = [p[0] * self.width for p in points], [p[1] * self.width for p in points]
        edge = margin * self.width + 2
        left, top = max(0, int(min(xs) - edge)), max(0, int(min(ys) - edge))
        right, bottom = min(self.width, int(max(xs) + edge) + 1), min(self.height, int(max(ys) + edge) + 1)
        mask = np.zeros((self.height, self.width), np.float32)
        if right <= left or bottom <= top:
            return mask
        image = Image.new("L", ((right - left) * SUPERSAMPLE, (bottom - top) * SUPERSAMPLE))
        scaled = [((x - left) * SUPERSAMPLE, (y - top) * SUPERSAMPLE) for x, y in zip(xs, ys, strict=True)]
        draw(ImageDraw.Draw(image), scaled)
        mask[top:bottom, left:right] = np.asarray(image.reduce(SUPERSAMPLE), np.float32) / 255.0
        return mask


def _flat(colour: Colour | Floats) -> Floats:
    return np.asarray(colour, np.float32) if isinstance(colour, np.ndarray) else rgb(colour)


def round_light(across: Floats, *, gloss: float = 0.0, ambient: float = 0.42) -> Floats:
    """How a turned body is lit from the upper left: shade at the sides, and a highlight when it is glossy."""
    facing = np.sqrt(np.maximum(1 - across**2, 0))
    light = ambient + (1.02 - ambient) * np.maximum(-0.45 * across + 0.9 * facing, 0)
    light = np.minimum(light, 1.0)
    if gloss:
        light = light + gloss * np.exp(-(((across + 0.52) / 0.09) ** 2))
        light = light + 0.45 * gloss * np.exp(-(((across - 0.74) / 0.05) ** 2))
    return light.astype(np.float32)
