"""The whole system against a server that counts any sliding second: the quota is used and never overstepped."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.fleet import Fleet, make_photos

RATE = 50.0
PHOTOS = 1000
TRIES = 6
CALM_SECONDS = 10
"""Between two tries: what slows a shared machine down passes in about this time."""

pytestmark = [pytest.mark.load, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("photos"), PHOTOS)


def utilisation(times: list[float], rate: float) -> float:
    """Return the share of the quota used from the first to the last call."""
    return (len(times) - 1) / (times[-1] - times[0]) / rate


def best_of_tries(measure: Callable[[Path], list[str]], folder: Path) -> None:
    """Measure again when the machine itself got in the way; every run must be well within its bounds to pass.

    Raises:
        AssertionError: No run was; tells what each missed.
    """
    missed = []
    for number in range(TRIES):
        if number:
            threading.Event().wait(CALM_SECONDS)
        failures = measure(folder / str(number))
        if not failures:
            return
        missed.append(failures)
    raise AssertionError(f"missed in every run: {missed}")


@pytest.mark.parametrize("processes", [1, 3])
def test_the_quota_is_used_and_not_overstepped(tmp_path: Path, photos: Path, processes: int) -> None:
    def measure(folder: Path) -> list[str]:
        with Fleet(folder, rate=RATE, latency=1.0, apart=True) as fleet:
            for _ in range(processes):
                fleet.start("worker")
            fleet.start("dispatcher")
            batch_id = fleet.submit(photos)
            fleet.wait_for_done(batch_id, PHOTOS, 90)
            stats = fleet.stats()
        assert stats["accepted"] == PHOTOS
        used = utilisation(stats["accepted_times"], RATE)
        return told(
            (stats["throttled"] <= PHOTOS / 1000, f"throttled {stats['throttled']}"),
            (used >= 0.99, f"quota used {used:.4f}"),
        )

    best_of_tries(measure, tmp_path)


def test_a_quota_lower_than_configured_is_found_and_a_restored_one_used_again(tmp_path: Path, photos: Path) -> None:
    def measure(folder: Path) -> list[str]:
        with Fleet(folder, rate=RATE, latency=0.5, apart=True) as fleet:
            fleet.configure(rate=RATE / 2)
            fleet.start("worker")
            fleet.start("dispatcher")
            batch_id = fleet.submit(photos)
            fleet.wait_for_done(batch_id, 300, 60)
            first = fleet.stats()
            late = [time for time in first["accepted_times"] if time > first["accepted_times"][-1] - 5]
            fleet.configure(rate=RATE)
            fleet.wait_for_done(batch_id, PHOTOS, 90)
            last = fleet.stats()["accepted_times"][-100:]
        share, lowered, restored = (
            first["throttled"] / first["received"],
            utilisation(late, RATE / 2),
            utilisation(last, RATE),
        )
        return told(
            (share <= 0.02, f"throttled {share:.3f}"),
            (lowered >= 0.8, f"lowered quota used {lowered:.3f}"),
            (restored >= 0.8, f"restored quota used {restored:.3f}"),
        )

    best_of_tries(measure, tmp_path)


def test_a_quota_halved_on_the_way_is_found(tmp_path: Path, photos: Path) -> None:
    def measure(folder: Path) -> list[str]:
        with Fleet(folder, rate=RATE, latency=0.5, apart=True) as fleet:
            fleet.start("worker")
            fleet.start("dispatcher")
            batch_id = fleet.submit(photos)
            fleet.wait_for_done(batch_id, 300, 60)
            before = fleet.stats()
            fleet.configure(rate=RATE / 2)
            fleet.wait_for_done(batch_id, 700, 60)
            after = fleet.stats()
        share = (after["throttled"] - before["throttled"]) / (after["received"] - before["received"])
        return told((share <= 0.02, f"throttled {share:.3f}"))

    best_of_tries(measure, tmp_path)


def told(*checks: tuple[bool, str]) -> list[str]:
    """Print what was measured, and return what was missed."""
    print(*(what for _, what in checks), sep=", ")
    return [what for holds, what in checks if not holds]
