"""Every process is replaced, one after the other, while photos run: none is lost, none is paid for twice."""

import itertools
from pathlib import Path

import pytest

from tests.chaos.fleet import Fleet, Role, make_photos
from tests.servers import Servers

RATE = 20.0
LATENCY = 0.5
PHOTOS = 300
WORKERS, DISPATCHERS = 3, 2

pytestmark = pytest.mark.chaos


def replace(fleet: Fleet, role: Role) -> None:
    """Stop a process as a service manager does, and start one in its place once it has gone."""
    assert role.stop() == 0
    fleet.start(role.name)


def test_a_rolling_restart_under_load_loses_nothing_and_pays_for_nothing_twice(
    tmp_path: Path, servers: Servers
) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    with Fleet(tmp_path / "fleet", rate=RATE, latency=LATENCY, servers=servers, apart=True) as fleet:
        first = [fleet.start(name) for name in ["dispatcher"] * DISPATCHERS + ["worker"] * WORKERS]
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, 20)
        # Workers and dispatchers in turn, each while calls are on their way.
        for role in filter(None, itertools.chain(*itertools.zip_longest(first[DISPATCHERS:], first[:DISPATCHERS]))):
            fleet.wait_until(lambda: fleet.in_flight() > 0 or fleet.counts(batch_id).succeeded == PHOTOS, 120)
            replace(fleet, role)
        fleet.wait_for_done(batch_id, PHOTOS, 200)
        counts, stats = fleet.counts(batch_id), fleet.stats()
        assert counts.total == counts.succeeded == PHOTOS
        assert list(fleet.artifacts_per_job(batch_id)) == [1] * PHOTOS
        assert counts.maybe_billed == 0
        assert stats["accepted"] == stats["paid"] == PHOTOS
        assert stats["paid_again"] == 0
        # A call that the machine held up may have been refused; each of those, too, is on record.
        assert stats["received"] == counts.calls == PHOTOS + counts.throttled
        assert stats["max_accepted_in_second"] <= RATE
        seconds = stats["last_accepted"] - stats["first_accepted"]
        print(
            f"{len(first)} processes replaced in {seconds:.1f} s: {PHOTOS / (RATE * seconds):.1%} of the quota used, "
            f"at most {stats['max_in_second']} calls in a second, {counts.throttled} refused"
        )
