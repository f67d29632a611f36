"""Calls per second over time, drawn as SVG on the server, so that it is there without JavaScript, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from db.call_rates import RatePoint

WIDTH, HEIGHT = 960, 220
LEFT, BOTTOM, TOP = 44, 24, 10
NICE = (1, 2, 4, 6, 8, 10)
CLOCK_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360)
MOST_TIMES = 8


@dataclass(frozen=True, slots=True)
class Label:
    """A word beside the chart; a time of the day says which moment it is."""

    x: float
    y: float
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws.

    Args:
        line: Points of calls per second.
        area: The same, closed at the bottom.
        bad: Points of throttled and failed calls per second, closed at the bottom; empty when there were none.
        quota_y: Where the quota is.
        grid_ys: Where the rates beside the chart are.
        labels: Along both axes.
        summary: In words, for who does not see it.
    """

    line: str
    area: str
    bad: str
    quota_y: float
    grid_ys: list[float]
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
    rates_shown = [top * part for part in (0.0, 0.25, 0.5, 0.75, 1.0)]
    labels = [Label(LEFT - 6, _height(rate, top) + 4, f"{rate:g}") for rate in rates_shown]
    labels += [
        Label(LEFT + index * width, HEIGHT - 6, f"{points[index].at:%H:%M}", points[index].at)
        for index in _at_round_times(points, step_seconds)
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
        grid_ys=[_height(rate, top) for rate in rates_shown],
        labels=labels,
        summary=summary,
    )


def _at_round_times(points: Sequence[RatePoint], step_seconds: int) -> list[int]:
    """Return which points to tell the time of: the first ones after times that a clock has names for."""
    minutes = len(points) * step_seconds / 60
    every = 60 * next((each for each in CLOCK_MINUTES if minutes / each <= MOST_TIMES), CLOCK_MINUTES[-1])
    passed = [int(point.at.timestamp() // every) for point in points]
    return [index for index in range(1, len(points) - 1) if passed[index] != passed[index - 1]]


def _height(rate: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * rate / top


def _round_up(value: float) -> float:
    unit = 1.0
    while True:
        for times in NICE:
            if value <= unit * times:
                return unit * times
        unit *= 10
