"""How fast a shop is asked, in simulated time."""

import threading
from itertools import pairwise

import pytest

from producer.writebacks.pace import Pace, ShopThrottled


class Time:
    """Seconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Waiting(threading.Event):
    """Lets time pass instead of waiting."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def wait(self, timeout: float | None = None) -> bool:
        self._time.now += timeout or 0.0
        return False


def test_a_plain_rate_is_never_overshot() -> None:
    time = Time()
    pace = Pace(0.5, Waiting(time), time)
    times = []
    for _ in range(10):
        pace.wait()
        times.append(time.now)
        time.now += 0.1
        pace.note_call()
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times))


def test_points_are_waited_for_until_the_dearest_call_can_be_paid() -> None:
    time = Time()
    pace = Pace(0.0, Waiting(time), time)
    pace.note_points(requested=300, actual=20, available=900, restored=100)
    assert pace.wait_seconds == 0
    pace.note_points(requested=10, actual=10, available=100, restored=100)
    assert pace.wait_seconds == 2
    pace.wait()
    assert (time.now, pace.points) == (2, 30)


def test_what_takes_long_is_not_waited_for_with_a_shop_in_hand() -> None:
    time = Time()
    pace = Pace(0.0, Waiting(time), time)
    pace.hold(90)
    with pytest.raises(ShopThrottled) as caught:
        pace.wait()
    assert caught.value.seconds == 90
    assert time.now == 0
