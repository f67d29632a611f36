"""Budgets and outages with real processes: what the API itself counted is what was allowed."""

import threading
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from db import budgets, circuits
from producer.intake import BatchOptions
from tests.chaos.fleet import Fleet, make_photos

QUOTA_TO_SPARE = 1000
"""A call that a busy machine delivers late must not be throttled here: it would count, and clean nothing."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


def test_three_processes_share_a_budget_of_a_hundred_calls(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 130)
    with Fleet(tmp_path / "fleet", rate=60, latency=0.3, settings={"REMOVAL_PRICE": "0.02"}) as fleet:
        fleet.configure(rate=QUOTA_TO_SPARE)
        for _ in range(3):
            fleet.start("worker")
        fleet.start("dispatcher")
        batch_id = fleet.submit(photos, BatchOptions(max_calls=100))
        fleet.wait_for_done(batch_id, 100)
        fleet.wait_until(lambda: fleet.batch(batch_id).state == "paused" and fleet.counts(batch_id).running == 0, 20)
        assert fleet.stats()["received"] == 100
        batch = fleet.batch(batch_id)
        assert (batch.pause_reason, batch.calls_made, batch.cost_reserved) == ("budget", 100, Decimal(2))
        with fleet.engine.begin() as connection:
            budgets.set_limits(connection, batch_id, max_calls=115, max_cost=Decimal("2.20"))
        fleet.wait_for_done(batch_id, 110)
        fleet.wait_until(lambda: fleet.batch(batch_id).state == "paused" and fleet.counts(batch_id).running == 0, 20)
        assert fleet.stats()["received"] == 110
        with fleet.engine.begin() as connection:
            budgets.set_limits(connection, batch_id, max_calls=1000, max_cost=Decimal(1000))
        fleet.wait_for_done(batch_id, 130)
        assert fleet.stats()["received"] == 130


def test_a_daily_limit_holds_for_two_batches(tmp_path: Path) -> None:
    first, second = (make_photos(tmp_path / name, 30) for name in ("first", "second"))
    with Fleet(tmp_path / "fleet", rate=60, latency=0.2, settings={"REMOVAL_DAILY_CALLS": "40"}) as fleet:
        fleet.configure(rate=QUOTA_TO_SPARE)
        for _ in range(3):
            fleet.start("worker")
        fleet.start("dispatcher")
        ids = [
            fleet.submit(first, BatchOptions(elements=(1,))),
            fleet.submit(second, BatchOptions(elements=(3,))),
        ]
        fleet.wait_until(lambda: sum(fleet.counts(batch_id).succeeded for batch_id in ids) >= 40, 60)
        fleet.wait_until(lambda: {fleet.batch(batch_id).pause_reason for batch_id in ids} <= {"budget", None}, 20)
        fleet.wait_until(lambda: not any(fleet.counts(batch_id).running for batch_id in ids), 20)
        assert fleet.stats()["received"] == 40


def test_an_outage_costs_a_handful_of_calls_and_no_attempt_and_ends_by_itself(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 120)
    # Three minutes with the defaults, ten times as fast: a probe each 0.2 s, later after a quarter of its length.
    faster = {"OUTAGE_PROBE_SECONDS": "0.2", "OUTAGE_PROBE_CAP_SECONDS": "6"}
    with Fleet(tmp_path / "fleet", rate=10, latency=0.1, settings=faster) as fleet:
        fleet.start("worker")
        fleet.start("worker")
        fleet.start("dispatcher")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, 20)
        fleet.configure(faults={"801": 1.0})
        before = fleet.stats()["received"]
        fleet.wait_until(lambda: circuit_of(fleet) == "outage", 10)
        opened = fleet.stats()["received"]
        pause_of(18)
        during = fleet.stats()["received"]
        assert opened - before <= 14
        assert during - opened <= 18
        with fleet.engine.connect() as connection:
            assert connection.execute(text("SELECT sum(attempts) FROM jobs WHERE state <> 'succeeded'")).scalar() == 0
            assert (
                connection.execute(text("SELECT count(*) FROM attempts WHERE code = '801' AND counted")).scalar() == 0
            )
        fleet.configure(faults={})
        fleet.wait_for_done(batch_id, 120, 60)
        assert circuit_of(fleet) is None


def circuit_of(fleet: Fleet) -> str | None:
    with fleet.engine.connect() as connection:
        found = circuits.find_open(connection, "sandbox")
    return found.reason if found else None


def pause_of(seconds: float) -> None:
    """Let an outage last; there is no condition to await when nothing may happen."""
    threading.Event().wait(seconds)
