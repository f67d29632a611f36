"""Things made of card, cloth and leather: box, bag, t-shirt, shoe."""

from __future__ import annotations

import numpy as np

from sandbox.catalogue.canvas import Canvas, Floats, Point, smooth


def box(canvas: Canvas, floor: float, hue: str) -> None:
    """A gift box with a ribbon, seen from a corner."""
    a, b, c = (0.20, floor - 0.10), (0.52, floor), (0.80, floor - 0.12)
    high = 0.36
    canvas.shadow(canvas.polygon([a, b, c, (0.86, floor - 0.06), (0.55, floor + 0.03)]), blur=0.02, strength=0.5)

    def up(point: Point, by: float) -> Point:
        return (point[0], point[1] - by)

    grain = (0.015 * canvas.noise(0.004)).astype(np.float32)
    left, right = canvas.polygon([a, b, up(b, high), up(a, high)]), canvas.polygon([b, c, up(c, high), up(b, high)])
    canvas.paint(left, hue, (0.98 - 0.25 * (canvas.x - 0.2) + grain).astype(np.float32))
    canvas.paint(right, hue, (0.62 + 0.12 * (canvas.x - 0.5) + grain).astype(np.float32))
    back = (0.48, floor - 0.215)
    lid = canvas.polygon([up(a, high), up(b, high), up(c, high), up(back, high)])
    canvas.paint(lid, hue, (1.12 + 0.1 * (0.5 - canvas.x) + grain).astype(np.float32))
    band = 0.05
    for start, end, light in ((a, b, 1.0), (b, c, 0.68)):
        t0, t1 = 0.5 - band, 0.5 + band
        p = (start[0] + (end[0] - start[0]) * t0, start[1] + (end[1] - start[1]) * t0)
        q = (start[0] + (end[0] - start[0]) * t1, start[1] + (end[1] - start[1]) * t1)
        canvas.paint(canvas.polygon([p, q, up(q, high), up(p, high)]), "#f3e9d8", light)
    middle = (0.5, floor - 0.11 - high)
    corners = [up(point, high) for point in (a, b, c, back)]
    for first, second in ((0, 1), (1, 2)):
        start = _between(corners[first], corners[second], 0.5)
        end = _between(corners[(first + 2) % 4], corners[(second + 2) % 4], 0.5)
        canvas.paint(canvas.stroke([start, end], 0.034), "#f3e9d8", 1.1)
    for side in (-1, 1):
        loop = smooth(
            [middle, (middle[0] + side * 0.11, middle[1] - 0.11), (middle[0] + side * 0.15, middle[1] - 0.02)]
        )
        shape = canvas.polygon(loop)
        canvas.shadow(shape, shift=(0.004, 0.012), blur=0.006, strength=0.3)
        canvas.paint(shape, "#f3e9d8", 1.0 + canvas.edge_light(shape, 0.016) * 0.9)
    knot = canvas.ellipse(middle, 0.026, 0.022)
    canvas.paint(knot, "#e4d6bd", 1.0 + canvas.edge_light(knot, 0.01))


def bag(canvas: Canvas, floor: float, hue: str) -> None:
    """A canvas tote with leather handles."""
    canvas.ground_shadow((0.5, floor - 0.006), 0.26, 0.03)
    for offset, light in ((-0.015, 0.7), (0.0, 1.0)):
        loop = [(0.37 + offset, floor - 0.42), (0.38 + offset, floor - 0.6), (0.44 + offset, floor - 0.68)]
        loop += [(0.56 + offset, floor - 0.68), (0.62 + offset, floor - 0.6), (0.63 + offset, floor - 0.42)]
        strap = canvas.stroke([loop[0], *smooth(loop, 3)[3:-8], loop[-1]], 0.024)
        canvas.paint(strap, "#8a5a34", light + canvas.edge_light(strap, 0.006))
    shape = canvas.polygon(
        [
            (0.24, floor - 0.46),
            (0.76, floor - 0.46),
            (0.79, floor - 0.03),
            (0.76, floor),
            (0.24, floor),
            (0.21, floor - 0.03),
        ]
    )
    canvas.paint(shape, hue, cloth(canvas, 0.07) + 0.06 - 0.3 * np.abs(canvas.x - 0.46) ** 1.5)
    sag = np.exp(-(((canvas.y - floor + 0.1 + 0.25 * (canvas.x - 0.5) ** 2) / 0.03) ** 2)) * shape
    canvas.shade(sag.astype(np.float32), 0.10)
    hem = shape * np.clip((floor - 0.425 - canvas.y) * canvas.width, 0, 1)
    canvas.shade(hem.astype(np.float32), 0.12)
    for x in (0.365, 0.635):
        patch = canvas.rounded(x - 0.026, floor - 0.45, x + 0.026, floor - 0.37, 0.008)
        canvas.paint(patch, "#8a5a34", 1.0 + canvas.edge_light(patch, 0.006))
    pocket = canvas.rounded(0.36, floor - 0.30, 0.64, floor - 0.09, 0.012)
    canvas.shadow(pocket, shift=(0.002, 0.006), blur=0.006, strength=0.3)
    canvas.paint(pocket, hue, cloth(canvas, 0.05) + 0.09 + canvas.edge_light(pocket, 0.008) * 0.5)


def shirt(canvas: Canvas, floor: float, hue: str) -> None:
    """A t-shirt laid flat."""
    y = floor - 0.70
    half = [(0.5, y + 0.045), (0.43, y + 0.03), (0.40, y), (0.31, y + 0.035), (0.22, y + 0.09), (0.13, y + 0.25)]
    half += [(0.245, y + 0.30), (0.285, y + 0.235), (0.28, y + 0.45), (0.285, floor), (0.5, floor + 0.006)]
    outline = half + [(1 - x, v) for x, v in reversed(half[1:-1])]
    shape = canvas.polygon(smooth(outline, 1))
    canvas.shadow(shape, shift=(0.008, 0.014), blur=0.014, strength=0.35)
    folds = np.zeros_like(canvas.x)
    for _ in range(9):
        x, slope = float(canvas.rng.uniform(0.3, 0.7)), float(canvas.rng.uniform(-0.5, 0.5))
        wide = float(canvas.rng.uniform(0.008, 0.03))
        fold = np.exp(-(((canvas.x - x - slope * (canvas.y - floor + 0.3)) / wide) ** 2))
        folds += float(canvas.rng.uniform(-0.07, 0.07)) * fold * np.clip((canvas.y - y - 0.2) * 4, 0, 1)
    light = cloth(canvas, 0.04) + folds + canvas.edge_light(shape, 0.02) * 0.7
    canvas.paint(shape, hue, light.astype(np.float32))
    collar = canvas.ellipse((0.5, y + 0.0), 0.102, 0.062) * (canvas.y > y - 0.01)
    hole = canvas.ellipse((0.5, y - 0.004), 0.084, 0.046) * (canvas.y > y - 0.012)
    canvas.paint((collar * shape).astype(np.float32), hue, 0.86)
    canvas.paint((hole * shape).astype(np.float32), hue, 0.5)
    for side in (-1, 1):
        seam = [(0.5 + side * 0.19, y + 0.04), (0.5 + side * 0.205, y + 0.14), (0.5 + side * 0.213, y + 0.235)]
        canvas.shade(canvas.stroke(seam, 0.003), 0.25)
    canvas.shade(canvas.stroke([(0.29, floor - 0.025), (0.71, floor - 0.025)], 0.002), 0.2)


def shoe(canvas: Canvas, floor: float, hue: str) -> None:
    """A trainer from the side."""

    def outline(points: list[Point], rounds: int) -> Floats:
        return canvas.polygon(smooth([(x, floor - up) for x, up in points], rounds))

    canvas.ground_shadow((0.5, floor - 0.004), 0.39, 0.026, 0.6)
    upper = [(0.13, 0.02), (0.125, 0.2), (0.145, 0.345), (0.235, 0.36), (0.3, 0.27), (0.4, 0.32), (0.475, 0.31)]
    upper.extend([(0.6, 0.205), (0.76, 0.165), (0.875, 0.125), (0.905, 0.02)])
    shape = outline(upper, 3)
    relief = canvas.edge_light(shape, 0.03) * 0.8
    weave = cloth(canvas, 0.04)
    canvas.paint(shape, hue, weave + 0.02 + relief)
    collar = canvas.stroke([(0.15, floor - 0.335), (0.235, floor - 0.33), (0.3, floor - 0.265)], 0.03) * shape
    canvas.paint(collar, hue, 0.62)
    toe = outline([(0.70, 0.0), (0.735, 0.15), (0.82, 0.16), (0.92, 0.12), (0.93, 0.0)], 3) * shape
    canvas.paint(toe, "#efece6", 0.94 + relief)
    heel = outline([(0.1, 0.0), (0.1, 0.27), (0.175, 0.26), (0.235, 0.12), (0.26, 0.0)], 3) * shape
    canvas.paint(heel, hue, 0.55 + relief)
    tongue = outline([(0.37, 0.3), (0.47, 0.315), (0.66, 0.18), (0.6, 0.16)], 2) * shape
    canvas.paint(tongue, hue, 0.74 + relief * 0.5)
    for k in range(5):
        x, up = 0.425 + 0.044 * k, 0.272 - 0.026 * k
        lace = canvas.stroke([(x - 0.012, floor - up + 0.02), (x + 0.03, floor - up - 0.03)], 0.015)
        canvas.shadow(lace, shift=(0.002, 0.006), blur=0.005, strength=0.4)
        canvas.paint(lace, hue, 1.42 + canvas.edge_light(lace, 0.006) * 0.6)
    seam = [(0.30, floor - 0.22), (0.40, floor - 0.13), (0.56, floor - 0.08), (0.68, floor - 0.075)]
    canvas.shade(canvas.stroke(smooth(seam, 1)[1:6], 0.004) * shape, 0.3)
    sole = outline(
        [(0.105, 0.062), (0.11, 0.0), (0.5, 0.0), (0.87, 0.0), (0.935, 0.035), (0.92, 0.068), (0.5, 0.058)], 1
    )
    canvas.shadow(sole * shape, shift=(0.0, -0.006), blur=0.006, strength=0.3)
    canvas.paint(sole, "#f3f0ea", 0.96 + canvas.edge_light(sole, 0.012) * 0.8)
    canvas.shade(canvas.stroke([(0.12, floor - 0.018), (0.9, floor - 0.018)], 0.004) * sole, 0.22)


def cloth(canvas: Canvas, strength: float) -> Floats:
    """Light on a woven surface: fine threads and slow waves, around 0.92."""
    threads = np.sin(canvas.x * canvas.width * 1.57) * np.sin(canvas.y * canvas.width * 1.57)
    light = (
        0.92 + 0.35 * strength * threads + 0.25 * strength * canvas.noise(0.004) + 0.5 * strength * canvas.noise(0.2)
    )
    return np.asarray(light, np.float32)


def _between(a: Point, b: Point, share: float) -> Point:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
