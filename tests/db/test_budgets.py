"""No limit is overshot, whoever calls at the same time, and nothing that was not spent stays reserved."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from core.states import AnswerClass, Lane, Spend
from db import attempts, batches, budgets, jobs, queue
from db.attempts import AttemptResult
from db.budgets import Tariff
from tests.db.rows import ACCOUNT, call, claim, make_batch, rescue, state_of

PRICE = Tariff(Decimal("0.02"))
PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID)
REFUSED = AttemptResult(AnswerClass.PERMANENT, "700", "", spend=Spend.NONE)
LOST = AttemptResult(AnswerClass.MAYBE_BILLED, "read_timeout", "", spend=Spend.MAYBE)


def limit(engine: Engine, *, calls: int | None = None, cost: str | None = None, batch_id: int = 1) -> None:
    with engine.begin() as connection:
        budgets.set_limits(connection, batch_id, max_calls=calls, max_cost=None if cost is None else Decimal(cost))


def batch(engine: Engine, batch_id: int = 1) -> batches.BatchRow:
    with engine.connect() as connection:
        row = batches.get(connection, batch_id)
    assert row is not None
    return row


def settle(engine: Engine, attempt_id: int, outcome: AttemptResult) -> None:
    with engine.begin() as connection:
        assert attempts.settle(connection, attempt_id, outcome)


def resume(engine: Engine, tariff: Tariff = PRICE) -> list[int]:
    with engine.begin() as connection:
        return budgets.resume_affordable(connection, ACCOUNT, tariff)


def test_the_call_beyond_the_limit_pauses_the_batch(engine: Engine) -> None:
    ids = make_batch(engine, 4, queued=True)
    limit(engine, calls=2)
    assert [call(engine, job_id) is not None for job_id in ids[:3]] == [True, True, False]
    row = batch(engine)
    assert (row.state, row.pause_reason, row.calls_made) == ("paused", "budget", 2)
    assert state_of(engine, ids[3]) == "pending"


def test_raising_the_limit_resumes(engine: Engine) -> None:
    ids = make_batch(engine, 3, queued=True)
    limit(engine, calls=1)
    for job_id in ids:
        call(engine, job_id)
    assert resume(engine) == []
    limit(engine, calls=3)
    assert resume(engine) == [1]
    assert batch(engine).state == "active"


def test_a_batch_paused_by_hand_stays_paused(engine: Engine) -> None:
    make_batch(engine, 1, queued=True)
    limit(engine, calls=5)
    with engine.begin() as connection:
        batches.pause(connection, 1, "hand")
    assert resume(engine) == []


def test_a_batch_that_waits_for_budget_and_is_paused_by_hand_stays_paused(engine: Engine) -> None:
    ids = make_batch(engine, 2, queued=True)
    limit(engine, calls=1)
    assert [call(engine, job_id) is not None for job_id in ids] == [True, False]
    with engine.begin() as connection:
        assert batches.pause(connection, 1, "hand")
    limit(engine, calls=5)
    assert resume(engine) == []
    assert batch(engine).pause_reason == "hand"


def test_calls_that_cost_nothing_give_their_price_back(engine: Engine) -> None:
    ids = make_batch(engine, 4, queued=True)
    limit(engine, cost="0.05")
    first, second = (call(engine, job_id, PRICE) for job_id in ids[:2])
    assert first is not None
    assert second is not None
    assert call(engine, ids[2], PRICE) is None
    settle(engine, first, PAID)
    assert resume(engine) == []
    settle(engine, second, REFUSED)
    assert resume(engine) == [1]
    assert batch(engine).cost_reserved == Decimal("0.02")


def test_a_call_that_was_never_sent_is_no_call(engine: Engine) -> None:
    ids = make_batch(engine, 1, queued=True)
    limit(engine, calls=1, cost="1")
    attempt_id = call(engine, ids[0], PRICE)
    assert attempt_id is not None
    with engine.begin() as connection:
        attempts.withdraw(connection, attempt_id)
    row = batch(engine)
    assert (row.calls_made, row.cost_reserved) == (0, Decimal(0))


def test_a_call_that_could_not_connect_is_no_call(engine: Engine) -> None:
    ids = make_batch(engine, 1, queued=True)
    limit(engine, calls=1, cost="1")
    attempt_id = call(engine, ids[0], Tariff(Decimal("0.02"), daily_calls=5))
    assert attempt_id is not None
    settle(engine, attempt_id, AttemptResult(AnswerClass.PROVIDER_FAULT, "connect_error", "", was_sent=False))
    row = batch(engine)
    assert (row.calls_made, row.cost_reserved) == (0, Decimal(0))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT calls FROM daily_calls")).scalar_one() == 0
        assert connection.execute(text("SELECT sent_at FROM attempts")).scalar_one() is None


def test_what_was_spent_before_there_was_a_limit_counts(engine: Engine) -> None:
    ids = make_batch(engine, 3, queued=True)
    for job_id, outcome in zip(ids, (PAID, REFUSED, LOST), strict=True):
        attempt_id = call(engine, job_id, PRICE)
        assert attempt_id is not None
        settle(engine, attempt_id, outcome)
    limit(engine, calls=10)
    row = batch(engine)
    assert (row.calls_made, row.cost_reserved) == (3, Decimal("0.04"))


@pytest.mark.parametrize("how_it_ends", ["opened", "settled", "withdrawn"])
def test_a_limit_waits_for_what_is_being_written_about_calls(engine: Engine, how_it_ends: str) -> None:
    ids = make_batch(engine, 2, queued=True)
    with ThreadPoolExecutor(1) as pool:
        if how_it_ends == "opened":
            job = claim(engine, ids[0])
            assert job
            with engine.begin() as connection:
                assert attempts.open_call(connection, job, worker="w", account=ACCOUNT, tariff=PRICE)
                limited = pool.submit(limit, engine, calls=1, cost="0.02")
                wait([limited], timeout=0.3)
        else:
            attempt_id = call(engine, ids[0], PRICE)
            assert attempt_id
            with engine.begin() as connection:
                if how_it_ends == "settled":
                    assert attempts.settle(connection, attempt_id, REFUSED)
                else:
                    attempts.withdraw(connection, attempt_id)
                limited = pool.submit(limit, engine, calls=1, cost="0.02")
                wait([limited], timeout=0.3)
        limited.result(timeout=60)
    row = batch(engine)
    expected = {"opened": (1, Decimal("0.02")), "settled": (1, Decimal(0)), "withdrawn": (0, Decimal(0))}
    assert (row.calls_made, row.cost_reserved) == expected[how_it_ends]


def test_the_daily_limit_holds_for_all_batches_and_returns_what_the_batch_reserved(engine: Engine) -> None:
    daily = Tariff(daily_calls=3)
    first, second = make_batch(engine, 2, queued=True), make_batch(engine, 3, queued=True)
    limit(engine, calls=100, batch_id=2)
    made = [call(engine, job_id, daily) is not None for job_id in (*first, *second[:2])]
    assert made == [True, True, True, False]
    assert (batch(engine, 2).pause_reason, batch(engine, 2).calls_made) == ("budget", 1)
    assert resume(engine, daily) == []
    assert resume(engine, Tariff(daily_calls=4)) == [2]
    with engine.begin() as connection:
        connection.execute(text("UPDATE daily_calls SET day = day - 1"))
        connection.execute(text("UPDATE batches SET state = 'paused', pause_reason = 'budget' WHERE id = 2"))
    assert resume(engine, daily) == [2], "a new day has its own limit"


def test_calls_of_today_without_a_limit_count_once_there_is_one(engine: Engine) -> None:
    ids = make_batch(engine, 3, queued=True)
    assert call(engine, ids[0])
    assert call(engine, ids[1])
    with engine.begin() as connection:
        budgets.count_today(connection, ACCOUNT)
    assert call(engine, ids[2], Tariff(daily_calls=2)) is None


def test_a_daily_limit_of_nothing_lets_nothing_through(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    assert call(engine, job_id, Tariff(daily_calls=0)) is None


@pytest.mark.parametrize("daily", [False, True])
def test_workers_that_call_at_the_same_time_share_one_budget(engine: Engine, daily: bool) -> None:
    ids = make_batch(engine, 60, queued=True)
    if not daily:
        limit(engine, calls=23)
    tariff = Tariff(daily_calls=23 if daily else None)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda job_id: call(engine, job_id, tariff) is not None, ids))
    assert sum(made) == 23


def test_those_who_call_and_those_who_steer_do_not_block_each_other(engine: Engine) -> None:
    ids = make_batch(engine, 100, queued=True)
    limit(engine, calls=1_000_000)
    tariff = Tariff(Decimal("0.01"), daily_calls=1_000_000)
    # Whoever steers may be so fast that nobody else comes to call.
    assert call(engine, ids[0], tariff) is not None
    done = threading.Event()

    def work(place: int) -> None:
        chance = random.Random(place)
        for _ in range(30):
            job = claim(engine, chance.choice(ids))
            if job is None:
                continue
            with engine.begin() as connection:
                attempt_id = attempts.open_call(connection, job, worker="w", account=ACCOUNT, tariff=tariff)
            with engine.begin() as connection:
                if attempt_id is not None:
                    attempts.settle(connection, attempt_id, chance.choice([PAID, REFUSED]))
                jobs.give_back(connection, job, delay_seconds=0, spent=0)

    def steer(place: int) -> None:
        steps: list[Callable[[Connection], object]] = [
            batches.finish_settled,
            lambda connection: queue.queue_due(connection, Lane.BULK, 20),
            rescue,
            lambda connection: batches.pause(connection, 1, "budget"),
            lambda connection: budgets.resume_affordable(connection, ACCOUNT, tariff),
        ]
        while not done.is_set():
            for step in steps[place:] + steps[:place]:
                with engine.begin() as connection:
                    step(connection)

    with ThreadPoolExecutor(8) as pool:
        steering = [pool.submit(steer, place) for place in range(2)]
        try:
            for each in [pool.submit(work, place) for place in range(6)]:
                each.result()
        finally:
            done.set()
    for each in steering:
        each.result()
    row = batch(engine)
    assert row.calls_made > 0
    with engine.connect() as connection:
        kept = connection.execute(
            text("SELECT count(*), coalesce(sum(price) FILTER (WHERE spend <> 'none'), 0) FROM attempts")
        ).one()
    assert tuple(kept) == (row.calls_made, row.cost_reserved)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    max_calls=st.none() | st.integers(0, 12),
    max_cents=st.none() | st.integers(0, 24),
    daily=st.none() | st.integers(0, 12),
    fates=st.lists(st.sampled_from([PAID, REFUSED, LOST, None]), min_size=1, max_size=16),
)
def test_whatever_becomes_of_the_calls_no_limit_is_overshot_and_none_is_withheld(
    engine: Engine, max_calls: int | None, max_cents: int | None, daily: int | None, fates: list[AttemptResult | None]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE batches, jobs, attempts, daily_calls RESTART IDENTITY CASCADE"))
    ids = make_batch(engine, len(fates), queued=True)
    tariff = Tariff(Decimal("0.02"), daily)
    limit(engine, calls=max_calls, cost=None if max_cents is None else f"{max_cents / 100:.2f}")
    sent = cents = 0
    for job_id, fate in zip(ids, fates, strict=True):
        fits = (
            (max_calls is None or sent < max_calls)
            and (max_cents is None or cents + 2 <= max_cents)
            and (daily is None or sent < daily)
        )
        attempt_id = call(engine, job_id, tariff)
        assert (attempt_id is not None) == fits
        if attempt_id is None:
            assert batch(engine).pause_reason == "budget"
            return
        if fate is None:
            with engine.begin() as connection:
                attempts.withdraw(connection, attempt_id)
            continue
        settle(engine, attempt_id, fate)
        sent, cents = sent + 1, cents + (0 if fate is REFUSED else 2)
