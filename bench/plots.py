"""Two kinds of plots as SVG, readable on light and dark pages."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 96, 150, 40, 44
COLOURS = ("#2f7ed8", "#d8572f", "#3a9d5d", "#8a5cc2", "#b08a1e", "#4aa3a3", "#888888")
_INK = "#808080"


def bars(title: str, unit: str, values: Mapping[str, float]) -> str:
    """Return horizontal bars, one a name.

    Args:
        title: What is shown.
        unit: Of the numbers.
        values: By name, in order.
    """
    step, most = 30, max([*values.values(), 1e-9])
    height = TOP + step * len(values) + 16
    room = WIDTH - LEFT - RIGHT
    parts = [_text(LEFT, 22, f"{title} ({unit})", size=14)]
    for place, (name, value) in enumerate(values.items()):
        y, width = TOP + place * step, max(1.0, value / most * room)
        colour = COLOURS[0] if name == "ours" else COLOURS[6]
        parts += [
            _text(LEFT - 8, y + 15, name, anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="20" fill="{colour}"/>',
            _text(LEFT + width + 6, y + 15, f"{value:g}"),
        ]
    return _svg(height, parts)


def lines(title: str, across: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return lines over axes that are both logarithmic.

    Args:
        title: What is shown.
        across: What goes from left to right.
        series: Points by name.
    """
    points = [point for each in series.values() for point in each if min(point) > 0]
    if not points:
        return _svg(HEIGHT, [_text(LEFT, 22, title, size=14)])
    xs, ys = _span([x for x, _ in points]), _span([y for _, y in points])

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return (
            LEFT + (math.log10(point[0]) - xs[0]) / (xs[1] - xs[0]) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (math.log10(point[1]) - ys[0]) / (ys[1] - ys[0]) * (HEIGHT - TOP - BOTTOM),
        )

    parts = [_text(LEFT, 22, title, size=14), _text(WIDTH - RIGHT, HEIGHT - 8, across, anchor="end")]
    for power in range(xs[0], xs[1] + 1):
        x = place((10.0**power, 10.0 ** ys[0]))[0]
        parts += [_line(x, TOP, x, HEIGHT - BOTTOM), _text(x, HEIGHT - BOTTOM + 16, _number(power), anchor="middle")]
    for power in range(ys[0], ys[1] + 1):
        y = place((10.0 ** xs[0], 10.0**power))[1]
        parts += [_line(LEFT, y, WIDTH - RIGHT, y), _text(LEFT - 8, y + 4, _number(power), anchor="end")]
    for number, (name, each) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(point) for point in each if min(point) > 0]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        dashes = ' stroke-dasharray="5 4"' if "stale" in name else ""
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(WIDTH - RIGHT + 10, TOP + 16 * number + 8, name, colour=colour))
    return _svg(HEIGHT, parts)


def _span(values: list[float]) -> tuple[int, int]:
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{_INK}" stroke-opacity="0.3"/>'


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", colour: str = _INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(words)}</text>"
    )


def _svg(height: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">'
    return "\n".join([head, *parts, "</svg>"]) + "\n"
