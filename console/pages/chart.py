"""Calls per second over time, drawn as SVG on the server, so that it is there without JavaScript, too."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.call_rates import RatePoint

WIDTH, HEIGHT = 960, 220
LEFT, BOTTOM, TOP = 44, 24, 10
NICE = (1, 2, 4, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Label:
    """A word beside the chart."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws.

    Args:
        line: Points of calls per second.
        area: The same, closed at the bottom.
        bad: Points of throttled and failed calls per second, closed at the bottom; empty when there were none.
        quota_y: Where the quota is.
        labels: Along both axes.
        summary: In words, for who does not see it.
    """

    line: str
    area: str
    bad: str
    quota_y: float
    labels: list[Label]
    summary: str


def draw(points: Sequence[RatePoint], *, step_seconds: int, quota: float) -> Chart:
    """Return a chart.

    Args:
        points: Oldest first.
        step_seconds: How long the stretch of each is.
        quota: Calls per second.
    """
    rates = [point.calls / step_seconds for point in points]
    bads = [(point.throttled + point.failed) / step_seconds for point in points]
    top = _round_up(max([quota, *rates]) * 1.1)
    width = (WIDTH - LEFT) / max(1, len(points) - 1)
    ground = HEIGHT - BOTTOM

    def place(index: int, rate: float) -> str:
        return f"{LEFT + index * width:.1f},{_height(rate, top):.1f}"

    def closed(line: str) -> str:
        return f"{LEFT},{ground} {line} {LEFT + (len(points) - 1) * width:.1f},{ground}"

    line = " ".join(place(index, rate) for index, rate in enumerate(rates))
    labels = [Label(LEFT - 6, _height(top * part, top) + 4, f"{top * part:g}") for part in (0.0, 0.25, 0.5, 0.75, 1.0)]
    every = max(1, len(points) // 6)
    labels += [
        Label(LEFT + index * width, HEIGHT - 6, f"{points[index].at:%H:%M}")
        for index in range(every // 2, len(points), every)
    ]
    last = rates[-2] if len(rates) > 1 else 0.0
    minutes = len(points) * step_seconds / 60
    summary = (
        f"Calls per second over {minutes:.0f} minutes: {last:.1f} of {quota:g} at the end, {max(rates, default=0):.1f} "
        f"at most."
    )
    return Chart(
        line=line,
        area=closed(line),
        bad=closed(" ".join(place(index, rate) for index, rate in enumerate(bads))) if any(bads) else "",
        quota_y=_height(quota, top),
        labels=labels,
        summary=summary,
    )


def _height(rate: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * rate / top


def _round_up(value: float) -> float:
    unit = 1.0
    while True:
        for times in NICE:
            if value <= unit * times:
                return unit * times
        unit *= 10
