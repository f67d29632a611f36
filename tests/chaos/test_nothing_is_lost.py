"""Whatever is killed or restarted while 200 photos run: all end well, each with one artifact, few calls are wasted."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.fleet import Fleet, make_photos

PHOTOS = 200
RATE = 40.0
LATENCY = 0.5

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


def kill_worker(fleet: Fleet) -> int:
    fleet.running("worker").kill()
    in_flight = fleet.unsettled_calls()
    fleet.start("worker")
    return in_flight


def kill_dispatcher(fleet: Fleet) -> int:
    fleet.running("dispatcher").kill()
    fleet.start("dispatcher")
    return 0


def flush_redis(fleet: Fleet) -> int:
    client = fleet.redis()
    client.flushall()
    client.close()
    return 0


def restart_redis(fleet: Fleet) -> int:
    fleet.valkey.restart()
    return 0


def restart_postgres(fleet: Fleet) -> int:
    fleet.postgres.restart()
    return 0


def freeze_worker(fleet: Fleet) -> int:
    # A worker that is only silent must not write over the one that took its jobs.
    worker = fleet.running("worker")
    os.killpg(worker.process.pid, signal.SIGSTOP)
    in_flight = fleet.unsettled_calls()
    fleet.start("worker")
    fleet.wait_until(lambda: fleet.counts(1).maybe_billed >= min(1, in_flight), 30)
    os.killpg(worker.process.pid, signal.SIGCONT)
    return in_flight


@pytest.mark.parametrize(
    "hurt", [kill_worker, kill_dispatcher, flush_redis, restart_redis, restart_postgres, freeze_worker]
)
def test_all_photos_succeed_once(tmp_path: Path, hurt: Callable[[Fleet], int]) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    with Fleet(tmp_path / "fleet", rate=RATE, latency=LATENCY) as fleet:
        fleet.start("dispatcher")
        fleet.start("worker")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, 40)
        allowed = hurt(fleet)
        fleet.wait_for_done(batch_id, 110)
        if hurt is not freeze_worker:
            allowed += hurt(fleet)
        fleet.wait_for_done(batch_id, PHOTOS, 120)
        counts, stats = fleet.counts(batch_id), fleet.sandbox.stats()
        assert counts.total == counts.succeeded == PHOTOS
        assert list(fleet.artifacts_per_job(batch_id)) == [1] * PHOTOS
        assert stats["accepted"] <= PHOTOS + allowed
        # A worker killed in the moment before sending leaves a call on record that was not made, never the reverse.
        assert stats["accepted"] <= counts.calls - counts.throttled <= PHOTOS + allowed


def test_one_after_the_other(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    with Fleet(tmp_path / "fleet", rate=RATE, latency=LATENCY) as fleet:
        fleet.start("dispatcher")
        fleet.start("worker")
        fleet.start("worker")
        batch_id = fleet.submit(photos)
        allowed = 0
        for done, hurt in (
            (20, kill_worker),
            (50, flush_redis),
            (80, restart_postgres),
            (110, kill_dispatcher),
            (140, restart_redis),
        ):
            fleet.wait_for_done(batch_id, done)
            allowed += hurt(fleet)
        fleet.wait_for_done(batch_id, PHOTOS, 120)
        counts, stats = fleet.counts(batch_id), fleet.sandbox.stats()
        assert counts.succeeded == PHOTOS
        assert list(fleet.artifacts_per_job(batch_id)) == [1] * PHOTOS
        assert stats["accepted"] <= PHOTOS + allowed
