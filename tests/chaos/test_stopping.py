"""SIGTERM: calls in flight finish, the rest is handed back, and the worker is gone in time."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import text

from core.queues import celery_settings
from tests.chaos.fleet import Fleet, make_photos
from tests.servers import Servers

pytestmark = pytest.mark.chaos


def states(fleet: Fleet) -> set[str]:
    with fleet.engine.connect() as connection:
        return set(connection.execute(text("SELECT DISTINCT state FROM jobs")).scalars())


def test_calls_in_flight_finish_and_the_rest_goes_back(tmp_path: Path, servers: Servers) -> None:
    photos = make_photos(tmp_path / "photos", 60)
    with Fleet(tmp_path / "fleet", rate=20, latency=2.0, servers=servers) as fleet:
        fleet.start("dispatcher")
        worker = fleet.start("worker")
        batch_id = fleet.submit(photos)
        fleet.wait_until(lambda: fleet.in_flight() >= 20, 120)
        assert worker.stop() == 0
        counts = fleet.counts(batch_id)
        assert counts.running == 0
        assert counts.maybe_billed == 0
        # A machine that stutters may get a call refused; none that was taken is lost.
        assert counts.succeeded == counts.calls - counts.throttled == fleet.sandbox.stats()["accepted"]
        fleet.start("worker")
        fleet.wait_for_done(batch_id, 60)
        assert fleet.sandbox.stats()["accepted"] == 60


def test_a_call_that_never_ends_does_not_keep_the_worker(tmp_path: Path, servers: Servers) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    settings = {"REMOVAL_TIMEOUT": "4", "LEASE_SECONDS": "4"}
    with Fleet(tmp_path / "fleet", rate=20, latency=0.1, servers=servers, settings=settings) as fleet:
        fleet.sandbox.configure(faults={"timeout": 1.0}, timeout_seconds=600)
        fleet.start("dispatcher")
        worker = fleet.start("worker")
        batch_id = fleet.submit(photos)
        fleet.wait_until(lambda: fleet.stats()["accepted"] == 3, 120)
        assert worker.stop() == 0
        fleet.wait_until(lambda: fleet.counts(batch_id).running == 0, 120)
        assert fleet.counts(batch_id).maybe_billed >= 3


class Listener:
    """Hears what Flower hears."""

    def __init__(self, redis_url: str) -> None:
        self._app = Celery(set_as_current=False)
        self._app.conf.update(celery_settings(redis_url))
        self._newest: dict[str, str] = {}
        self._is_done = False
        self._hears = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._hears.wait(60)

    def states(self) -> Counter[str]:
        return Counter(self._newest.values())

    def close(self) -> None:
        self._is_done = True
        self._thread.join(60)

    def _listen(self) -> None:
        with self._app.connection_for_read() as connection:
            receiver = self._app.events.Receiver(connection, handlers={"*": self._note})
            with receiver.consumer_context() as (own, _, _):
                self._hears.set()
                while not self._is_done:
                    try:
                        own.drain_events(timeout=0.5)
                    except TimeoutError:
                        continue

    def _note(self, event: dict[str, Any]) -> None:
        if event["type"].startswith("task-"):
            self._newest[event["uuid"]] = event["type"]


def test_a_worker_that_leaves_has_told_how_each_task_ended(tmp_path: Path, servers: Servers) -> None:
    photos = make_photos(tmp_path / "photos", 60)
    with Fleet(tmp_path / "fleet", rate=20, latency=1.0, servers=servers) as fleet:
        listener = Listener(fleet.redis_url)
        try:
            worker = fleet.start("worker")
            fleet.start("dispatcher")
            batch_id = fleet.submit(photos)
            fleet.wait_until(lambda: fleet.in_flight() >= 10, 120)
            worker.stop()
            succeeded = fleet.counts(batch_id).succeeded
            assert succeeded
            fleet.wait_until(lambda: listener.states()["task-succeeded"] == succeeded, 120)
            fleet.wait_until(lambda: not listener.states()["task-started"], 120)
        finally:
            listener.close()
