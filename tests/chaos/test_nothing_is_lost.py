"""Whatever is killed or restarted while photos run: all end well, each with one artifact, few calls are wasted."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.fleet import Fleet, make_photos
from tests.servers import Servers

PHOTOS = 120
RATE = 40.0
LATENCY = 0.5
THREADS = 64
"""Of one worker: no more calls than this are lost with it."""

pytestmark = pytest.mark.chaos


def kill_worker(fleet: Fleet) -> None:
    fleet.running("worker").kill()
    fleet.start("worker")


def kill_dispatcher(fleet: Fleet) -> None:
    fleet.running("dispatcher").kill()
    fleet.start("dispatcher")


def flush_redis(fleet: Fleet) -> None:
    client = fleet.redis()
    client.flushall()
    client.close()


def restart_redis(fleet: Fleet) -> None:
    fleet.valkey.restart()


def restart_postgres(fleet: Fleet) -> None:
    fleet.postgres.restart()


def freeze_worker(fleet: Fleet) -> None:
    # A worker that is only silent must not write over the one that took its jobs.
    worker = fleet.running("worker")
    os.killpg(worker.process.pid, signal.SIGSTOP)
    fleet.start("worker")
    fleet.wait_until(lambda: fleet.counts(1).maybe_billed >= 1, 120)
    os.killpg(worker.process.pid, signal.SIGCONT)


LOSES_CALLS = {kill_worker, freeze_worker}
SHORT, LONG = {"LEASE_SECONDS": "4"}, {"LEASE_SECONDS": "60"}
"""How soon a worker's jobs go to others: soon where one falls silent, and never else, however slow the machine is."""


@pytest.mark.parametrize("hurt", [kill_worker, kill_dispatcher, freeze_worker])
def test_whoever_is_killed_or_frozen_all_photos_succeed_once(
    tmp_path: Path, servers: Servers, hurt: Callable[[Fleet], None]
) -> None:
    all_photos_succeed_once(tmp_path, servers, hurt)


@pytest.mark.parametrize("hurt", [flush_redis, restart_redis, restart_postgres])
def test_whatever_is_wiped_or_restarted_all_photos_succeed_once(tmp_path: Path, hurt: Callable[[Fleet], None]) -> None:
    all_photos_succeed_once(tmp_path, None, hurt)


def all_photos_succeed_once(tmp_path: Path, servers: Servers | None, hurt: Callable[[Fleet], None]) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    settings = SHORT if hurt in LOSES_CALLS else LONG
    with Fleet(tmp_path / "fleet", rate=RATE, latency=LATENCY, servers=servers, settings=settings) as fleet:
        fleet.start("dispatcher")
        fleet.start("worker")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, 25)
        hurt(fleet)
        fleet.wait_for_done(batch_id, 65)
        if hurt is not freeze_worker:
            hurt(fleet)
        fleet.wait_for_done(batch_id, PHOTOS, 200)
        check(fleet, batch_id, workers_lost=0 if hurt not in LOSES_CALLS else 1 if hurt is freeze_worker else 2)


def test_one_after_the_other(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    with Fleet(tmp_path / "fleet", rate=RATE, latency=LATENCY, settings=SHORT) as fleet:
        fleet.start("dispatcher")
        fleet.start("worker")
        fleet.start("worker")
        batch_id = fleet.submit(photos)
        for done, hurt in (
            (15, kill_worker),
            (35, flush_redis),
            (55, restart_postgres),
            (75, kill_dispatcher),
            (95, restart_redis),
        ):
            fleet.wait_for_done(batch_id, done)
            hurt(fleet)
        fleet.wait_for_done(batch_id, PHOTOS, 200)
        check(fleet, batch_id, workers_lost=1)


def check(fleet: Fleet, batch_id: int, *, workers_lost: int) -> None:
    counts, stats = fleet.counts(batch_id), fleet.sandbox.stats()
    assert counts.total == counts.succeeded == PHOTOS
    assert list(fleet.artifacts_per_job(batch_id)) == [1] * PHOTOS
    # What was in flight when a worker fell silent is on record as maybe billed, and paid for once more; nothing else.
    assert counts.maybe_billed <= workers_lost * THREADS
    assert stats["accepted"] <= PHOTOS + counts.maybe_billed
    # A worker killed in the moment before sending leaves a call on record that was not made, never the reverse.
    assert stats["accepted"] <= counts.calls - counts.throttled <= PHOTOS + counts.maybe_billed
