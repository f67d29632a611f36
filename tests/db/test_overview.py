"""What is told at one glance."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from core.states import Lane
from db import budgets, canaries, overview
from db.budgets import Tariff
from tests.db.rows import call, make_batch, put


def oldest(engine: Engine) -> float | None:
    with engine.connect() as connection:
        return {lane.lane: lane.oldest_seconds for lane in overview.look_at_lanes(connection)}[Lane.BULK]


def test_photos_that_wait_for_a_canary_are_not_late(engine: Engine) -> None:
    make_batch(engine, 10)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET available_at = now() - interval '10 minutes'"))
    assert oldest(engine) == pytest.approx(600, abs=30)
    with engine.begin() as connection:
        canaries.choose(connection, 1, 2)
    assert oldest(engine) == pytest.approx(600, abs=30), "the canary itself is due"
    with engine.begin() as connection:
        put(connection, "running", "is_canary")
    assert oldest(engine) is None


@pytest.mark.parametrize(
    ("calls", "cost", "made", "left"),
    [
        (None, None, 5, 1.0),
        (10, None, 9, 0.1),
        # All four photos can be called for: nothing is near.
        (10, None, 6, 1.0),
        (None, "0.20", 9, 0.1),
        (None, "1.00", 9, 1.0),
        (0, None, 0, 0.0),
    ],
)
def test_a_budget_is_near_its_end_when_photos_will_not_be_called_for(
    engine: Engine, calls: int | None, cost: str | None, made: int, left: float
) -> None:
    make_batch(engine, 4)
    price = Decimal("0.02")

    def told() -> float:
        with engine.connect() as connection:
            return budgets.smallest_share_left(connection, price)

    with engine.begin() as connection:
        limits = {"calls": calls, "cost": cost, "made": made, "reserved": made * price}
        connection.execute(
            text(
                "UPDATE batches SET max_calls = :calls, max_cost = CAST(CAST(:cost AS text) AS numeric), "
                "calls_made = :made, cost_reserved = :reserved"
            ),
            limits,
        )
    assert told() == pytest.approx(left)
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET state = 'paused', pause_reason = 'hand'"))
    assert told() == 1.0
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET pause_reason = 'budget'"))
    assert told() == pytest.approx(left)


def test_nothing_is_left_of_a_used_up_budget_while_photos_wait_for_it(engine: Engine) -> None:
    ids = make_batch(engine, 4, queued=True)
    tariff = Tariff(Decimal("0.03"))

    def told() -> float:
        with engine.connect() as connection:
            return budgets.smallest_share_left(connection, tariff.price)

    with engine.begin() as connection:
        # A quarter stays over, which is no call.
        budgets.set_limits(connection, 1, max_calls=None, max_cost=Decimal("0.08"))
    assert [call(engine, job_id, tariff) is not None for job_id in ids[:3]] == [True, True, False]
    with engine.begin() as connection:
        assert [(each.reason, each.count) for each in overview.look_at_paused(connection)] == [("budget", 1)]
    assert told() == 0.0
    with engine.begin() as connection:
        put(connection, "cancelled")
    assert told() == 1.0


def test_photos_that_wait_in_redis_are_late_too(engine: Engine) -> None:
    make_batch(engine, 3, queued=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET available_at = now() - interval '10 minutes' WHERE id = 2"))
    assert oldest(engine) == pytest.approx(600, abs=30)
    with engine.begin() as connection:
        put(connection, "running")
    assert oldest(engine) is None
