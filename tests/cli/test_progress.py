"""The line that says how far a batch is."""

import pytest

from cli.running import progress
from cli.running.progress import Meter
from db.tallies import BatchCounts


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that the line is made by."""
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def done(number: int, total: int = 1000) -> BatchCounts:
    return BatchCounts(total=total, pending=total - number, succeeded=number, calls=number)


@pytest.mark.usefixtures("clock")
def test_before_the_first_call_only_what_is_waited_for_is_told() -> None:
    assert Meter(5).describe(done(0), "starting a worker…") == "starting a worker…"
    assert "starting" not in Meter(5).describe(done(0), "")


def test_time_left_is_told_when_there_is_something_to_tell_from(clock: Clock) -> None:
    meter = Meter(5)
    assert "ETA" not in meter.describe(done(0), "")
    clock.now += 2
    assert "ETA" not in meter.describe(done(10), "")
    clock.now += 2
    assert "ETA 6:40" in meter.describe(done(10), "")


def test_no_time_left_is_told_while_nothing_moves(clock: Clock) -> None:
    meter = Meter(5)
    meter.describe(done(0), "")
    clock.now += 10
    assert "ETA" in meter.describe(done(50), "")
    clock.now += 10.5
    assert "ETA" not in meter.describe(done(50), "")


def test_time_left_does_not_jump_about(clock: Clock) -> None:
    meter, told = Meter(5), []
    for second in range(60):
        # Two at once every other second.
        told.append(meter.describe(done(second // 2 * 2 + 10), ""))
        clock.now += 1
    left = [int(line.split("ETA ")[1].split(":")[0]) for line in told[20:]]
    assert max(left) - min(left) <= 2


@pytest.mark.parametrize(("seconds", "shown"), [(0.1, "0:05"), (61, "1:05"), (601, "11:00"), (3661, "1:02:00")])
def test_what_is_left_is_rounded_up(seconds: float, shown: str) -> None:
    assert progress._clock(seconds) == shown
