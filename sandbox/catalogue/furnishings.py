"""Things for the home and the wrist: chair, watch, cushion."""

from __future__ import annotations

import numpy as np

from sandbox.catalogue.canvas import Canvas, Floats, rgb, round_light, smooth
from sandbox.catalogue.goods import cloth


def chair(canvas: Canvas, floor: float, hue: str) -> None:
    """A shell chair on wooden legs."""
    canvas.ground_shadow((0.5, floor - 0.01), 0.28, 0.03, 0.35)
    for top, foot, light in ((0.42, 0.35, 0.62), (0.60, 0.67, 0.62), (0.36, 0.27, 1.0), (0.65, 0.75, 0.9)):
        end = floor - (0.06 if light < 0.7 else 0.0)
        leg = canvas.stroke([(top, floor - 0.28), (foot, end)], 0.021)
        canvas.paint(leg, "#b98754", light + canvas.edge_light(leg, 0.007))
    back = canvas.polygon(
        smooth(
            [
                (0.30, floor - 0.34),
                (0.27, floor - 0.55),
                (0.31, floor - 0.72),
                (0.5, floor - 0.75),
                (0.69, floor - 0.72),
                (0.73, floor - 0.55),
                (0.70, floor - 0.34),
            ],
            3,
        )
    )
    bowl = np.exp(-(((canvas.x - 0.5) / 0.22) ** 2 + ((canvas.y - floor + 0.5) / 0.26) ** 2))
    canvas.paint(back, hue, (0.98 - 0.22 * bowl + canvas.edge_light(back, 0.03)).astype(np.float32))
    seat = canvas.polygon(
        smooth(
            [
                (0.27, floor - 0.36),
                (0.5, floor - 0.40),
                (0.73, floor - 0.36),
                (0.76, floor - 0.27),
                (0.5, floor - 0.235),
                (0.24, floor - 0.27),
            ],
            3,
        )
    )
    canvas.shadow(seat, shift=(0.0, -0.016), blur=0.014, strength=0.3)
    canvas.paint(seat, hue, 1.03 + canvas.edge_light(seat, 0.022))
    pad = canvas.ellipse((0.5, floor - 0.327), 0.19, 0.045)
    canvas.paint(pad, "#3a3d42", cloth(canvas, 0.08) + canvas.edge_light(pad, 0.014))


def watch(canvas: Canvas, floor: float, hue: str) -> None:
    """A wrist watch lying flat."""
    y = floor - 0.36
    strap, u = canvas.lathe(
        0.5,
        [(y - 0.40, 0.055), (y - 0.36, 0.066), (y - 0.1, 0.085), (y + 0.1, 0.085), (y + 0.36, 0.066), (y + 0.40, 0.05)],
    )
    canvas.shadow(strap, shift=(0.012, 0.016), blur=0.014, strength=0.45)
    leather = (0.05 * canvas.noise(0.006)).astype(np.float32)
    canvas.paint(strap, "#6b3f24", round_light(u * 0.8) + leather)
    for side in (-0.8, 0.8):
        stitches = strap * (np.abs(u - side) < 0.04) * (np.mod(canvas.y * 60, 1.0) < 0.6)
        canvas.paint((stitches * 0.8).astype(np.float32), "#d9b98c")
    case = canvas.ellipse((0.5, y), 0.2, 0.2)
    canvas.shadow(case, shift=(0.01, 0.016), blur=0.014, strength=0.5)
    crown = canvas.rounded(0.69, y - 0.02, 0.725, y + 0.02, 0.006)
    canvas.paint(crown, "#b9bcc0", 0.9)
    angle = np.arctan2(canvas.y - y, canvas.x - 0.5)
    metal: Floats = (0.80 + 0.22 * np.cos(2 * angle + 1.2) + 0.08 * np.cos(6 * angle)).astype(np.float32)
    canvas.paint(case, "#c9ccd0", metal)
    dial = canvas.ellipse((0.5, y), 0.165, 0.165)
    canvas.paint(dial, hue, (0.9 + 0.25 * np.cos(angle * 2 - 0.8) * 0.5).astype(np.float32))
    for k in range(60):
        a = k * np.pi / 30
        inner = 0.128 if k % 5 == 0 else 0.147
        ends = [(0.5 + r * float(np.sin(a)), y - r * float(np.cos(a))) for r in (inner, 0.155)]
        canvas.paint(canvas.stroke(ends, 0.008 if k % 5 == 0 else 0.003), "#f2efe8")
    for a, length, thick in ((5.2, 0.085, 0.012), (0.95, 0.125, 0.008)):
        tip = (0.5 + length * float(np.sin(a)), y - length * float(np.cos(a)))
        hand = canvas.stroke([(0.5, y), tip], thick)
        canvas.shadow(hand, shift=(0.003, 0.005), blur=0.004, strength=0.4)
        canvas.paint(hand, "#f6f4ee")
    canvas.paint(canvas.ellipse((0.5, y), 0.011, 0.011), "#e0b060")
    sheen = dial * np.clip(1 - np.abs((canvas.x - 0.5) + (canvas.y - y) * 0.6 + 0.07) / 0.05, 0, 1)
    canvas.paint((sheen * 0.10).astype(np.float32), "#ffffff")


def cushion(canvas: Canvas, floor: float, hue: str) -> None:
    """A striped cushion."""
    shape = canvas.polygon(
        smooth(
            [
                (0.17, floor - 0.57),
                (0.5, floor - 0.535),
                (0.83, floor - 0.57),
                (0.80, floor - 0.28),
                (0.83, floor),
                (0.5, floor - 0.03),
                (0.17, floor),
                (0.20, floor - 0.28),
            ],
            2,
        )
    )
    canvas.ground_shadow((0.5, floor - 0.012), 0.32, 0.03, 0.4)
    canvas.shadow(shape, shift=(0.01, 0.014), blur=0.016, strength=0.3)
    puff = np.exp(-(((canvas.x - 0.46) / 0.28) ** 2 + ((canvas.y - floor + 0.33) / 0.24) ** 2))
    light = cloth(canvas, 0.05) - 0.16 + 0.26 * puff + canvas.edge_light(shape, 0.03)
    bend = 0.02 * np.sin((canvas.y - floor) * 6)
    stripes = np.clip(np.sin((canvas.x + bend) * 46) * 8 + 3, 0, 1)[..., None].astype(np.float32)
    tones = rgb(hue) * stripes + rgb("#f1ebe0") * (1 - stripes)
    canvas.paint(shape, tones.astype(np.float32), light.astype(np.float32))
    piping = canvas.stroke([(0.2, floor - 0.005), (0.5, floor - 0.032), (0.8, floor - 0.005)], 0.006)
    canvas.shade(piping * shape, 0.2)
