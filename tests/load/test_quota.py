"""The whole system against a server that counts any sliding second: the quota is used and never overstepped."""

from pathlib import Path

import pytest

from tests.chaos.fleet import Fleet, make_photos

RATE = 50.0
PHOTOS = 1000

pytestmark = [pytest.mark.load, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("photos"), PHOTOS)


def utilisation(times: list[float], rate: float) -> float:
    """Return the share of the quota used from the first to the last call."""
    return (len(times) - 1) / (times[-1] - times[0]) / rate


@pytest.mark.parametrize("processes", [1, 3])
def test_the_quota_is_used_and_not_overstepped(tmp_path: Path, photos: Path, processes: int) -> None:
    with Fleet(tmp_path / "fleet", rate=RATE, latency=1.0, apart=True) as fleet:
        for _ in range(processes):
            fleet.start("worker")
        fleet.start("dispatcher")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, PHOTOS, 90)
        stats = fleet.stats()
    assert stats["accepted"] == PHOTOS
    assert stats["throttled"] <= PHOTOS / 1000
    assert utilisation(stats["accepted_times"], RATE) >= 0.99


def test_a_quota_lower_than_configured_is_found_and_a_restored_one_used_again(tmp_path: Path, photos: Path) -> None:
    with Fleet(tmp_path / "fleet", rate=RATE, latency=0.5, apart=True) as fleet:
        fleet.configure(rate=RATE / 2)
        fleet.start("worker")
        fleet.start("dispatcher")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, 300, 60)
        first = fleet.stats()
        assert first["throttled"] <= 0.02 * first["received"]
        late = [time for time in first["accepted_times"] if time > first["accepted_times"][-1] - 5]
        assert utilisation(late, RATE / 2) >= 0.6
        fleet.configure(rate=RATE)
        fleet.wait_for_done(batch_id, PHOTOS, 90)
        last = fleet.stats()["accepted_times"][-100:]
        assert utilisation(last, RATE) >= 0.8


def test_a_quota_halved_on_the_way_is_found(tmp_path: Path, photos: Path) -> None:
    with Fleet(tmp_path / "fleet", rate=RATE, latency=0.5, apart=True) as fleet:
        fleet.start("worker")
        fleet.start("dispatcher")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, 300, 60)
        before = fleet.stats()
        fleet.configure(rate=RATE / 2)
        fleet.wait_for_done(batch_id, 600, 60)
        after = fleet.stats()
        calls = after["received"] - before["received"]
        assert after["throttled"] - before["throttled"] <= max(3, 0.02 * calls)
