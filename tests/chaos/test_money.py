"""Budgets and outages with real processes: what the API itself counted is what was allowed."""

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from db import budgets, circuits
from producer.intake import BatchOptions
from tests.chaos.fleet import Fleet, make_photos
from tests.servers import Servers

QUOTA_TO_SPARE = 1000
"""A call that a busy machine delivers late must not be throttled here: it would count, and clean nothing."""

pytestmark = pytest.mark.chaos


def test_three_processes_share_a_budget_of_a_hundred_calls(tmp_path: Path, servers: Servers) -> None:
    photos = make_photos(tmp_path / "photos", 130)
    with Fleet(tmp_path / "fleet", rate=60, latency=0.3, servers=servers, settings={"REMOVAL_PRICE": "0.02"}) as fleet:
        fleet.configure(rate=QUOTA_TO_SPARE)
        for _ in range(3):
            fleet.start("worker")
        fleet.start("dispatcher")
        batch_id = fleet.submit(photos, BatchOptions(max_calls=100))
        fleet.wait_for_done(batch_id, 100)
        fleet.wait_until(lambda: fleet.batch(batch_id).state == "paused" and fleet.counts(batch_id).running == 0, 120)
        assert fleet.stats()["received"] == 100
        batch = fleet.batch(batch_id)
        assert (batch.pause_reason, batch.calls_made, batch.cost_reserved) == ("budget", 100, Decimal(2))
        with fleet.engine.begin() as connection:
            budgets.set_limits(connection, batch_id, max_calls=115, max_cost=Decimal("2.20"))
        fleet.wait_for_done(batch_id, 110)
        fleet.wait_until(lambda: fleet.batch(batch_id).state == "paused" and fleet.counts(batch_id).running == 0, 120)
        assert fleet.stats()["received"] == 110
        with fleet.engine.begin() as connection:
            budgets.set_limits(connection, batch_id, max_calls=1000, max_cost=Decimal(1000))
        fleet.wait_for_done(batch_id, 130)
        assert fleet.stats()["received"] == 130


def test_a_daily_limit_holds_for_two_batches(tmp_path: Path, servers: Servers) -> None:
    first, second = (make_photos(tmp_path / name, 30) for name in ("first", "second"))
    with Fleet(
        tmp_path / "fleet", rate=60, latency=0.2, servers=servers, settings={"REMOVAL_DAILY_CALLS": "40"}
    ) as fleet:
        fleet.configure(rate=QUOTA_TO_SPARE)
        for _ in range(3):
            fleet.start("worker")
        fleet.start("dispatcher")
        ids = [
            fleet.submit(first, BatchOptions(elements=(1,))),
            fleet.submit(second, BatchOptions(elements=(3,))),
        ]
        fleet.wait_until(lambda: sum(fleet.counts(batch_id).succeeded for batch_id in ids) >= 40, 120)
        fleet.wait_until(lambda: {fleet.batch(batch_id).pause_reason for batch_id in ids} <= {"budget", None}, 120)
        fleet.wait_until(lambda: not any(fleet.counts(batch_id).running for batch_id in ids), 120)
        assert fleet.stats()["received"] == 40


def test_an_outage_costs_a_handful_of_calls_and_no_attempt_and_ends_by_itself(tmp_path: Path, servers: Servers) -> None:
    photos = make_photos(tmp_path / "photos", 60)
    faster = {"OUTAGE_PROBE_SECONDS": "0.1", "OUTAGE_PROBE_CAP_SECONDS": "1"}
    with Fleet(tmp_path / "fleet", rate=20, latency=0.1, servers=servers, settings=faster) as fleet:
        fleet.start("worker")
        fleet.start("worker")
        fleet.start("dispatcher")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, 15)
        fleet.configure(faults={"801": 1.0})
        failed = partial(one, fleet, "SELECT coalesce(max(failed_probes), 0) FROM circuits WHERE is_open")
        fleet.wait_until(lambda: failed() >= 1, 120)
        assert circuit_of(fleet) == "outage"
        # Eight of ten failed; a good answer that was still on the way among them makes room for another bad one.
        good = one(fleet, f"{CALLS} attempts.code = '200' AND answered_at <= opened_at AND {AFTER_FIRST}")
        assert 5 <= one(fleet, f"{FAILURES} answered_at <= opened_at") <= 10 + good
        # Who began to open a call before the circuit's row was written may still do so; that is over by now.
        first, asked_by_then = failed(), one(fleet, CALLED)
        fleet.wait_until(lambda: failed() >= first + 3, 120)
        before, asked, after = failed(), one(fleet, CALLED) - asked_by_then, failed()
        assert before - first - 1 <= asked <= after - first + 1, "one probe at a time asks, and nobody else"
        assert one(fleet, "SELECT sum(attempts) FROM jobs WHERE state <> 'succeeded'") == 0
        assert one(fleet, f"{FAILURES} counted") == 0
        fleet.configure(faults={})
        fleet.wait_for_done(batch_id, 60)
        assert circuit_of(fleet) is None


CALLED = "SELECT count(*) FROM attempts WHERE sent_at IS NOT NULL"
AFTER_FIRST = "answered_at > (SELECT min(a.answered_at) FROM attempts AS a WHERE a.code = '801')"
CALLS = "SELECT count(*) FROM attempts CROSS JOIN circuits WHERE sent_at IS NOT NULL AND"
FAILURES = f"{CALLS} attempts.code = '801' AND"


def one(fleet: Fleet, statement: str) -> int:
    with fleet.engine.connect() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def circuit_of(fleet: Fleet) -> str | None:
    with fleet.engine.connect() as connection:
        found = circuits.find_open(connection, "sandbox")
    return found.reason if found else None
