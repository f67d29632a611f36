"""The chart of calls per second: where its words stand."""

from datetime import UTC, datetime, timedelta

import pytest

from console.pages.chart import HEIGHT, LEFT, WIDTH, draw
from console.pages.overview import SPANS
from db.call_rates import RatePoint


def points(seconds: int, step: int, calls: int = 0) -> list[RatePoint]:
    end = datetime(2026, 1, 5, 12, 35, tzinfo=UTC)  # stretches begin at round times
    return [RatePoint(end - timedelta(seconds=back), calls, 0, 0) for back in range(seconds, 0, -step)]


@pytest.mark.parametrize(("span", "minutes"), [("10m", 2), ("1h", 10), ("24h", 180)])
def test_times_are_those_that_a_clock_has_names_for(span: str, minutes: int) -> None:
    seconds, step = SPANS[span]
    chart = draw(points(seconds, step), step_seconds=step, quota=5)
    times = [label.text for label in chart.labels if ":" in label.text]
    assert 4 <= len(times) <= 8
    assert all((int(told[:2]) * 60 + int(told[3:])) % minutes == 0 for told in times), times


def test_all_of_it_is_inside() -> None:
    chart = draw(points(600, 10, calls=120), step_seconds=10, quota=5)
    assert max(float(point.split(",")[0]) for point in chart.line.split()) <= WIDTH
    assert all(LEFT - 10 <= label.x <= WIDTH and 0 < label.y <= HEIGHT for label in chart.labels)
    assert 0 < chart.quota_y < HEIGHT
    assert "12.0 of 5" in chart.summary


def test_without_a_point_nothing_breaks() -> None:
    assert draw([], step_seconds=10, quota=5).line == ""
