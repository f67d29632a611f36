"""What a number of photos takes follows from what one takes."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.errors import UsageError
from quote.capacity import MEASURED, MOST_THREADS, reckon


def test_days_and_money_follow_from_the_quota_that_is_used() -> None:
    found = reckon(864_000, 10, 1, price=Decimal("0.02"), measured=replace(MEASURED, quota_used=0.5))
    assert found.days == pytest.approx(2)
    assert found.cost == Decimal(17_280)


def test_a_single_photo_takes_as_long_as_its_call() -> None:
    assert reckon(1, 50, 300).days == pytest.approx(300 / 86_400)


def test_without_a_price_there_is_no_cost() -> None:
    assert reckon(1, 1, 1).cost is None


def test_as_many_are_in_flight_as_the_quota_fills() -> None:
    found = reckon(1000, 50, 2)
    assert found.in_flight == 150
    assert found.processes * found.threads >= found.in_flight
    assert found.window >= found.in_flight


def test_slow_calls_need_threads_and_fast_ones_processes() -> None:
    slow, fast = reckon(1000, 5, 300), reckon(1000, 300, 0.2)
    assert slow.processes == 6
    assert slow.threads <= MOST_THREADS
    assert fast.processes > slow.processes
    assert fast.threads < slow.threads


def test_cpu_decides_about_processes() -> None:
    cheap = reckon(1000, 200, 0.2, measured=replace(MEASURED, worker_ms=1.0))
    dear = reckon(1000, 200, 0.2, measured=replace(MEASURED, worker_ms=30.0))
    assert cheap.processes < dear.processes == 10
    assert dear.worker_cores == pytest.approx(200 * (30.0 + MEASURED.dispatcher_ms) / 1000)


def test_disks_grow_with_photos_and_redis_does_not() -> None:
    few, many = reckon(10**4, 50, 1), reckon(10**9, 50, 1)
    assert many.artifact_gb == pytest.approx(few.artifact_gb * 10**5)
    assert many.postgres_gb == pytest.approx(few.postgres_gb * 10**5)
    assert (many.redis_mb, many.processes) == (few.redis_mb, few.processes)


@pytest.mark.parametrize("wrong", [{"images": 0}, {"rate": 0}, {"rate": float("inf")}, {"latency": float("nan")}])
def test_what_is_no_such_number_is_refused(wrong: dict[str, float]) -> None:
    asked = {"images": 1, "rate": 1, "latency": 1} | wrong
    with pytest.raises(UsageError, match=f"--{next(iter(wrong))}"):
        reckon(int(asked["images"]), asked["rate"], asked["latency"])
