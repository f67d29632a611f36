"""Turned things: bottle, mug, lamp, vase, candle."""

from __future__ import annotations

import numpy as np

from sandbox.catalogue.canvas import Canvas, Floats, rgb, round_light


def bottle(canvas: Canvas, floor: float, hue: str) -> None:
    """A steel drinking bottle with a cap and a loop."""
    top = floor - 0.66
    profile = [(top + 0.13, 0.055), (top + 0.15, 0.07), (top + 0.21, 0.118), (floor - 0.02, 0.118), (floor, 0.105)]
    canvas.ground_shadow((0.5, floor - 0.002), 0.13, 0.022)
    mask, across = canvas.lathe(0.5, profile)
    brushed = (0.02 * canvas.noise(0.0025, stretch=40)).astype(np.float32)
    canvas.paint(mask, hue, round_light(across, gloss=0.55) + brushed)
    band, u = canvas.lathe(0.5, [(floor - 0.30, 0.1185), (floor - 0.10, 0.1185)])
    canvas.paint(band * 0.92, "#f4f1ea", round_light(u, gloss=0.25))
    for offset in (0.31, 0.095):
        line, u = canvas.lathe(0.5, [(floor - offset, 0.119), (floor - offset + 0.006, 0.119)])
        canvas.paint(line, "#2b2b2b", round_light(u, gloss=0.3))
    cap, u = canvas.lathe(0.5, [(top + 0.02, 0.058), (top + 0.03, 0.066), (top + 0.135, 0.066), (top + 0.14, 0.06)])
    ribs = (0.05 * np.sin(np.arcsin(np.clip(u, -0.999, 0.999)) * 40)).astype(np.float32)
    canvas.paint(cap, "#26282b", round_light(u, gloss=0.35) + ribs)
    ring = canvas.ellipse((0.5, top + 0.012), 0.05, 0.045) - canvas.ellipse((0.5, top + 0.014), 0.034, 0.03)
    ring = np.clip(ring, 0, 1) * (canvas.y < top + 0.03)
    canvas.paint(ring.astype(np.float32), "#303236", 1.0 + canvas.edge_light(ring.astype(np.float32), 0.006))


def mug(canvas: Canvas, floor: float, hue: str) -> None:
    """A glazed mug with coffee in it."""
    top, left = floor - 0.36, 0.46
    canvas.ground_shadow((left + 0.02, floor - 0.004), 0.19, 0.03)
    outer, inner = (
        canvas.ellipse((left + 0.2, floor - 0.19), 0.115, 0.125),
        canvas.ellipse((left + 0.195, floor - 0.19), 0.072, 0.082),
    )
    handle = np.clip(outer - inner, 0, 1)
    canvas.paint(handle, hue, 0.80 + canvas.edge_light(handle, 0.012) * 1.2)
    body, u = canvas.lathe(left, [(top, 0.19), (floor - 0.06, 0.18), (floor - 0.02, 0.165), (floor, 0.14)])
    canvas.paint(body, hue, round_light(u, gloss=0.5) + (0.012 * canvas.noise(0.02)).astype(np.float32))
    base, u = canvas.lathe(left, [(floor - 0.012, 0.158), (floor, 0.14)])
    canvas.shade(base, 0.25)
    canvas.paint(canvas.ellipse((left, top), 0.19, 0.045), hue, 1.22)
    canvas.paint(canvas.ellipse((left, top + 0.002), 0.176, 0.038), hue, 0.62)
    coffee = canvas.ellipse((left, top + 0.012), 0.168, 0.032) * canvas.ellipse((left, top + 0.002), 0.176, 0.038)
    canvas.paint(coffee, "#3a2216", 1.0 + 0.16 * np.exp(-(((canvas.x - left + 0.08) / 0.05) ** 2)))


def lamp(canvas: Canvas, floor: float, hue: str) -> None:
    """A table lamp with a cloth shade that glows."""
    canvas.ground_shadow((0.5, floor - 0.003), 0.13, 0.02)
    foot, u = canvas.lathe(0.5, [(floor - 0.035, 0.03), (floor - 0.022, 0.11), (floor, 0.125)])
    canvas.paint(foot, "#b08d57", round_light(u, gloss=0.6))
    swell = [
        (floor - 0.36, 0.014),
        (floor - 0.28, 0.055),
        (floor - 0.2, 0.085),
        (floor - 0.1, 0.06),
        (floor - 0.03, 0.03),
    ]
    rows = np.linspace(0, 1, 30)
    smooth = [
        (float(y), float(w))
        for y, w in zip(
            np.interp(rows, np.linspace(0, 1, 5), [p[0] for p in swell]),
            np.convolve(
                np.pad(np.interp(rows, np.linspace(0, 1, 5), [p[1] for p in swell]), 2, "edge"), np.ones(5) / 5, "valid"
            ),
            strict=True,
        )
    ]
    body, u = canvas.lathe(0.5, smooth)
    canvas.paint(body, hue, round_light(u, gloss=0.7))
    neck, u = canvas.lathe(0.5, [(floor - 0.42, 0.011), (floor - 0.35, 0.013)])
    canvas.paint(neck, "#b08d57", round_light(u, gloss=0.5))
    glow = canvas.blurred(canvas.ellipse((0.5, floor - 0.52), 0.26, 0.2), 0.06)
    canvas.shade(glow, 0.22, "#ffe2a8")
    shade, u = canvas.lathe(0.5, [(floor - 0.68, 0.13), (floor - 0.40, 0.215)])
    warm: Floats = np.exp(-((u / 0.55) ** 2) - (((canvas.y - floor + 0.5) / 0.16) ** 2)).astype(np.float32)
    cloth = (0.02 * np.sin(canvas.x * canvas.width * 1.2) + 0.015 * canvas.noise(0.004)).astype(np.float32)
    tone = rgb("#efe3cc") * (1 - 0.5 * warm[..., None]) + rgb("#ffd58a") * 0.5 * warm[..., None]
    canvas.paint(shade, tone.astype(np.float32), 0.72 + 0.3 * warm + 0.16 * np.sqrt(np.maximum(1 - u**2, 0)) + cloth)
    for y, half in ((floor - 0.68, 0.131), (floor - 0.408, 0.216)):
        rim, u = canvas.lathe(0.5, [(y, half), (y + 0.009, half)])
        canvas.paint(rim, "#c9b48c", round_light(u))


def vase(canvas: Canvas, floor: float, hue: str) -> None:
    """A stoneware vase with dry branches."""
    canvas.ground_shadow((0.5, floor - 0.003), 0.13, 0.022)
    for _ in range(9):
        lean = float(canvas.rng.uniform(-0.26, 0.26))
        tip = floor - float(canvas.rng.uniform(0.58, 0.74))
        line = [(0.5 + lean * t**1.6, floor - 0.36 + (tip - floor + 0.36) * t) for t in np.linspace(0, 1, 12)]
        canvas.paint(canvas.stroke([(float(x), float(y)) for x, y in line], 0.004), "#7c6a4d")
        for t in np.linspace(0.35, 1, 9):
            x, y = 0.5 + lean * t**1.6, floor - 0.36 + (tip - floor + 0.36) * t
            size = float(canvas.rng.uniform(0.007, 0.014))
            place = (float(x + canvas.rng.normal(0, 0.012)), float(y + canvas.rng.normal(0, 0.008)))
            bud = canvas.ellipse(place, size, size * 0.8)
            tone = str(canvas.rng.choice(["#c79a68", "#d7b98b", "#b9824f"]))
            canvas.paint(bud, tone, float(canvas.rng.uniform(0.85, 1.15)))
    heights = np.linspace(floor - 0.38, floor, 40)
    t = (heights - heights[0]) / 0.38
    widths = 0.05 + 0.10 * np.sin(np.clip(t * 1.08, 0, 1) * np.pi) ** 1.3 + 0.03 * t
    body, u = canvas.lathe(0.5, [(float(y), float(w)) for y, w in zip(heights, widths, strict=True)])
    speckle = np.where(canvas.noise(0.003) > 2.1, -0.25, 0.0) + 0.02 * canvas.noise(0.01, stretch=6)
    canvas.paint(body, hue, round_light(u, gloss=0.18) + speckle.astype(np.float32))
    glaze = body * np.clip((floor - 0.2 + 0.015 * np.sin(canvas.x * 40) - canvas.y) * canvas.width / 3, 0, 1)
    canvas.paint(glaze.astype(np.float32), "#f0e9dc", round_light(u, gloss=0.4))
    canvas.paint(canvas.ellipse((0.5, floor - 0.38), 0.05, 0.012), "#2c2620")


def candle(canvas: Canvas, floor: float, hue: str) -> None:
    """A candle in a glass."""
    canvas.ground_shadow((0.5, floor - 0.004), 0.17, 0.028)
    wax, u = canvas.lathe(0.5, [(floor - 0.26, 0.15), (floor - 0.015, 0.15), (floor, 0.14)])
    glow = np.exp(-(((canvas.y - floor + 0.27) / 0.12) ** 2)).astype(np.float32)
    canvas.paint(wax, hue, round_light(u, ambient=0.6) + 0.25 * glow)
    glass, u = canvas.lathe(0.5, [(floor - 0.36, 0.162), (floor - 0.01, 0.158), (floor, 0.145)])
    canvas.paint(glass * 0.22, "#dfe9ee", round_light(u, gloss=0.9))
    shine = glass * np.exp(-(((u + 0.7) / 0.05) ** 2))
    canvas.paint((shine * 0.75).astype(np.float32), "#ffffff")
    canvas.paint(canvas.ellipse((0.5, floor - 0.26), 0.15, 0.034), hue, 1.28)
    canvas.paint(canvas.stroke([(0.5, floor - 0.26), (0.503, floor - 0.30)], 0.006), "#2a2019")
    flame = canvas.polygon(
        [(0.503, floor - 0.40), (0.520, floor - 0.335), (0.503, floor - 0.295), (0.486, floor - 0.335)]
    )
    canvas.shade(canvas.blurred(flame, 0.03), 0.9, "#ffca6b")
    canvas.paint(canvas.blurred(flame, 0.004), "#ffe9a6", 1.1)
    rim = np.clip(
        canvas.ellipse((0.5, floor - 0.36), 0.162, 0.036) - canvas.ellipse((0.5, floor - 0.36), 0.155, 0.032), 0, 1
    )
    canvas.paint(rim * 0.7, "#f4f8fa")
