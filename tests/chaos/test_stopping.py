"""SIGTERM: calls in flight finish, the rest is handed back, and the worker is gone in time."""

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.chaos.fleet import Fleet, make_photos

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]


def states(fleet: Fleet) -> set[str]:
    with fleet.engine.connect() as connection:
        return set(connection.execute(text("SELECT DISTINCT state FROM jobs")).scalars())


def test_calls_in_flight_finish_and_the_rest_goes_back(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 120)
    with Fleet(tmp_path / "fleet", rate=20, latency=2.0, settings={"LEASE_SECONDS": "30"}) as fleet:
        fleet.start("dispatcher")
        worker = fleet.start("worker")
        batch_id = fleet.submit(photos)
        fleet.wait_until(lambda: fleet.in_flight() >= 20, 30)
        seconds = worker.stop()
        counts = fleet.counts(batch_id)
        assert seconds < 10
        assert counts.running == 0
        assert counts.maybe_billed == 0
        # A machine that stutters may get a call refused; none that was taken is lost.
        assert counts.succeeded == counts.calls - counts.throttled == fleet.sandbox.stats()["accepted"]
        fleet.start("worker")
        fleet.wait_for_done(batch_id, 120)
        assert fleet.sandbox.stats()["accepted"] == 120


def test_a_call_that_never_ends_does_not_keep_the_worker(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    settings = {"REMOVAL_TIMEOUT": "4"}
    with Fleet(tmp_path / "fleet", rate=20, latency=0.1, settings=settings) as fleet:
        fleet.sandbox.configure(faults={"timeout": 1.0})
        fleet.start("dispatcher")
        worker = fleet.start("worker")
        batch_id = fleet.submit(photos)
        fleet.wait_until(lambda: fleet.stats()["accepted"] == 3, 30)
        assert worker.stop() < 4 + 5
        fleet.wait_until(lambda: fleet.counts(batch_id).running == 0, 15)
        assert fleet.counts(batch_id).maybe_billed >= 3
