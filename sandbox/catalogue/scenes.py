"""Where the products stand."""

from __future__ import annotations

import numpy as np

from sandbox.catalogue.canvas import Canvas, Floats, rgb


def studio(canvas: Canvas) -> None:
    """Plain white, as shops ask for."""
    canvas.pixels[:] = 255.0


def seamless(canvas: Canvas) -> None:
    """A sheet of coloured paper that bends from floor to wall."""
    hue = rgb(str(canvas.rng.choice(["#dfe5e8", "#e9dfd3", "#d9e2d6", "#e6d9dd", "#d8dcea"])))
    glow = np.exp(-(((canvas.x - 0.45) / 0.75) ** 2 + ((canvas.y - 0.45) / 0.8) ** 2))
    canvas.pixels[:] = hue * (0.80 + 0.22 * glow)[..., None]
    floor = 1 / (1 + np.exp(-(canvas.y - 0.72) / 0.03))
    canvas.pixels *= (1 - 0.05 * (1 - floor))[..., None]
    np.clip(canvas.pixels, 0, 255, out=canvas.pixels)


def table(canvas: Canvas) -> None:
    """A wooden table before a wall in soft light."""
    wall = rgb(str(canvas.rng.choice(["#cfd6d2", "#d8cfc4", "#c4cdd6"])))
    light = 0.86 + 0.16 * np.exp(-(((canvas.x - 0.2) / 0.6) ** 2 + ((canvas.y - 0.2) / 0.6) ** 2))
    canvas.pixels[:] = wall * (light + 0.008 * canvas.noise(0.01))[..., None]
    edge = 0.66 * canvas.height / canvas.width
    wood = rgb(str(canvas.rng.choice(["#a9743f", "#8a5a33", "#b98d5a"])))
    depth = (canvas.y - edge) / (canvas.height / canvas.width - edge)
    fibre = 0.05 * canvas.noise(0.004, stretch=60) + 0.05 * canvas.noise(0.018, stretch=25)
    boards = 0.16 * np.exp(-(((np.mod(depth * 3.2, 1.0)) / 0.02) ** 2))
    shine = 0.10 * np.exp(-(((canvas.x - 0.35) / 0.35) ** 2 + ((depth - 0.25) / 0.3) ** 2))
    planks = wood * (0.86 + fibre - boards + shine + 0.12 * depth)[..., None]
    below = np.clip((canvas.y - edge) * canvas.width + 0.5, 0, 1)[..., None]
    canvas.pixels[:] = np.clip(canvas.pixels * (1 - below) + planks * below, 0, 255)
    canvas.shade(canvas.blurred(np.exp(-(((canvas.y - edge) / 0.006) ** 2)).astype(np.float32), 0.004), 0.25)


def evening(canvas: Canvas) -> None:
    """Lights out of focus behind a dark shelf."""
    sky = canvas.y / (canvas.height / canvas.width)
    top, low = rgb("#243049"), rgb("#8b6a63")
    canvas.pixels[:] = top * (1 - sky)[..., None] + low * sky[..., None]
    for _ in range(22):
        x, y = canvas.rng.uniform(0, 1), canvas.rng.uniform(0.02, 0.62)
        size = canvas.rng.uniform(0.015, 0.05)
        tone = str(canvas.rng.choice(["#ffd9a0", "#ffb877", "#fff0d0", "#b8d0ff"]))
        canvas.shade(canvas.blurred(canvas.ellipse((x, y), size, size), 0.004), canvas.rng.uniform(0.15, 0.5), tone)
    edge = 0.70 * canvas.height / canvas.width
    shelf = np.clip((canvas.y - edge) * canvas.width + 0.5, 0, 1).astype(np.float32)
    stone = 0.9 + 0.05 * canvas.noise(0.006) + 0.05 * canvas.noise(0.05) - 0.35 * (canvas.y - edge)
    canvas.paint(shelf, "#57504e", stone.astype(np.float32))


def linen(canvas: Canvas) -> None:
    """Cloth seen from above."""
    weave: Floats = (
        0.035 * np.sin(canvas.x * canvas.width * 1.9)
        + 0.035 * np.sin(canvas.y * canvas.width * 1.9)
        + 0.03 * canvas.noise(0.005)
    ).astype(np.float32)
    folds = 0.05 * canvas.noise(0.35)
    hue = rgb(str(canvas.rng.choice(["#cdbfa9", "#b9c2bd", "#c9b4ae"])))
    canvas.pixels[:] = np.clip(hue * (0.96 + weave + folds)[..., None], 0, 255)


SCENES = {"studio": studio, "seamless": seamless, "table": table, "evening": evening, "linen": linen}
