"""A worker's machine whose clock is an hour wrong, or is set while it works."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from redis import Redis
from sqlalchemy import text

from bench.counting import most_in_a_second
from removal.limiter.bucket import keys_of
from tests.chaos.fleet import Fleet, make_photos
from tests.compatibility.presence import find_faketime
from tests.compatibility.way import ACCOUNT, LONG
from tests.servers import Servers

PHOTOS = 200
RATE = 20
LEASE_SECONDS = 60.0
HOUR = timedelta(hours=1)

SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds)[3:]\n"
"""The library takes a sleep until a monotonic moment, which it does not fake, for one until a moment that it does."""

pytestmark = pytest.mark.slow


class Clock:
    """What time it is for the processes of a machine, apart from how long something takes.

    Args:
        file: Where it is told.
        offset: How far it is from the right time at first.
    """

    def __init__(self, file: Path, offset: str = "+0") -> None:
        self._file = file
        self.set(offset)
        mended = file.with_suffix(".mended")
        mended.mkdir()
        (mended / "sitecustomize.py").write_text(SLEEP, encoding="utf-8")
        self.environment = {
            "PYTHONPATH": f"{mended}:{os.getcwd()}",
            "LD_PRELOAD": str(find_faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            # What a set clock never moves.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: str) -> None:
        """Set it so far from the right time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset}\n", encoding="ascii")
        fresh.replace(self._file)


class Watch:
    """What is seen of slots and leases, by the clocks of Redis and PostgreSQL."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._client = Redis.from_url(fleet.redis_url)
        self.slots: dict[bytes, int] = {}
        self.leases: list[float] = []

    def look(self) -> None:
        """Look once; each slot stays to be seen for two seconds."""
        recent = cast("list[tuple[bytes, float]]", self._client.zrange(keys_of(ACCOUNT)[1], 0, -1, withscores=True))
        self.slots |= {member: int(score) for member, score in recent}
        # What is seen was written before it is read, and not before this began.
        statement = "SELECT extract(epoch FROM lease_expires_at - clock_timestamp()) FROM jobs WHERE state = 'running'"
        with self._fleet.engine.connect() as connection:
            self.leases += [float(left) for left in connection.execute(text(statement)).scalars()]

    def wait_until(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is so, and look meanwhile."""

        def look_again() -> bool:
            self.look()
            return is_done()

        self._fleet.wait_until(look_again, LONG)


def test_neither_slots_nor_leases_know_a_workers_clock(tmp_path: Path, servers: Servers) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    clock, behind = Clock(tmp_path / "clock"), Clock(tmp_path / "behind", "-1h")
    settings = {"LEASE_SECONDS": str(LEASE_SECONDS), "WORKER_CONCURRENCY": "8"}
    with Fleet(tmp_path / "fleet", rate=RATE, latency=0.5, servers=servers, settings=settings) as fleet:
        fleet.configure(rate=1000)
        fleet.start("dispatcher")
        first = fleet.start("worker", **clock.environment)
        fleet.start("worker", **behind.environment)
        fleet.start("worker")
        watch = Watch(fleet)
        batch_id = fleet.submit(photos)
        watch.wait_until(lambda: fleet.counts(batch_id).succeeded >= 15)
        # It is read once a second, and the log tells when it was.
        for hours in (1, -1):
            clock.set(f"{hours:+}h")
            watch.wait_until(lambda hours=hours: hours in told_offsets(first.log))  # type: ignore[misc]
        clock.set("+0")
        watch.wait_until(lambda: fleet.counts(batch_id).succeeded == PHOTOS)
        counts = fleet.counts(batch_id)
        assert (counts.succeeded, counts.calls, counts.maybe_billed, counts.retries) == (PHOTOS, PHOTOS, 0, 0)
        assert fleet.stats()["by_code"] == {"200": PHOTOS}, (
            "signed with another time than the fleet's, some are refused"
        )
        with fleet.engine.connect() as connection:
            callers = connection.execute(text("SELECT DISTINCT worker FROM attempts")).scalars().all()
        logs = sorted(fleet.folder.glob("worker-*.log"))
    assert len(callers) == len(logs) == 3
    assert [told_offsets(path) for path in logs] == [{-1, 0, 1}, {-1}, {0}], "or no clock was wrong"
    assert watch.slots
    assert most_in_a_second(list(watch.slots.values())) <= RATE
    # Renewed from time to time, for as long as they last, by PostgreSQL's clock alone.
    assert 0 < min(watch.leases) <= max(watch.leases) <= LEASE_SECONDS


def test_what_a_worker_with_a_wrong_clock_leaves_behind_is_taken_over_as_from_any(
    tmp_path: Path, servers: Servers
) -> None:
    photos = make_photos(tmp_path / "photos", 12)
    ahead = Clock(tmp_path / "clock", "+1h")
    with Fleet(tmp_path / "fleet", rate=RATE, latency=4, servers=servers, settings={"LEASE_SECONDS": "4"}) as fleet:
        fleet.configure(rate=1000)
        fleet.start("dispatcher")
        lost = fleet.start("worker", **ahead.environment)
        batch_id = fleet.submit(photos)
        fleet.wait_until(lambda: fleet.in_flight() >= 4, LONG)
        lost.kill()
        fleet.configure(latency=0.1)
        fleet.start("worker")
        fleet.wait_for_done(batch_id, 12, LONG)
        assert fleet.counts(batch_id).maybe_billed >= 4
        assert list(fleet.artifacts_per_job(batch_id)) == [1] * 12


def told_offsets(log: Path) -> set[int]:
    """Return how many hours the times in a log are from the right one."""
    written = datetime.fromtimestamp(log.stat().st_mtime, UTC)
    # The last line may be half written.
    lines = [line for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    times = [json.loads(line)["timestamp"] for line in lines]
    return {round((datetime.fromisoformat(time) - written) / HOUR) for time in times}
