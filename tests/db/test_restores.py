"""A database that went back to a backup learns what was called since, and calls for none of it again unasked."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import Connection, Engine, text

from core.called import Called
from core.states import AnswerClass, Lane, Spend
from db import attempts, audit, budgets, costs, queue, requeues, rescues, restores, tallies
from db.attempts import AttemptResult
from db.budgets import Tariff
from tests.db.rows import ACCOUNT, RULES, call, claim, make_batch, put, state_of
from worker.policy import decide_lost

PRICE = Decimal("0.05")
PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)


def later(seconds: float = 60) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def remembered(engine: Engine, *job_ids: int) -> list[Called]:
    """Return calls for these jobs that the database does not know, numbered on from those that it does."""
    with engine.connect() as connection:
        newest = restores.newest_known(connection)
    return [Called(newest + n, job_id, later(n), ACCOUNT) for n, job_id in enumerate(job_ids, 1)]


def one(connection: Connection, statement: str) -> object:
    return connection.execute(text(statement)).scalar_one()


def note(engine: Engine, called: list[Called]) -> restores.Restore | None:
    with engine.begin() as connection:
        return restores.note(connection, called, price=PRICE)


def test_what_was_called_for_after_the_backup_is_held_and_on_record(engine: Engine) -> None:
    pending, queued, untouched, done = make_batch(engine, 4)
    with engine.begin() as connection:
        put(connection, "queued", f"id = {queued}")
        put(connection, "succeeded", f"id = {done}")
    found = note(engine, remembered(engine, pending, queued, queued, done))
    assert found is not None
    assert (found.calls, found.held, found.unknown) == (4, 2, 0)
    assert [state_of(engine, each) for each in (pending, queued, untouched, done)] == [
        "held",
        "held",
        "pending",
        "succeeded",
    ]
    with engine.begin() as connection:
        tally = tallies.tally(connection, [1])[1]
        assert (tally.counts.calls, tally.counts.maybe_billed, tally.cost) == (4, 4, 4 * PRICE)
        [line] = costs.ledger(connection, batch_id=1, days=None)
        assert (line.calls, line.maybe_cost) == (4, 4 * PRICE)
        assert restores.count_undecided(connection) == 2
        assert "4 calls" in audit.list_lines(connection)[0].detail
        assert [job.id for job in queue.queue_due(connection, Lane.BULK, 10)] == [untouched]


def test_it_is_noticed_once(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    called = [*remembered(engine, job_id), Called(1000, 999, later(), ACCOUNT)]
    assert note(engine, called) is not None
    assert note(engine, called) is None
    with engine.begin() as connection:
        assert restores.newest_known(connection) >= 1000
        assert requeues.requeue_one(connection, job_id)
    # A call that is made after it is known as any other.
    with engine.begin() as connection:
        queue.queue_due(connection, Lane.BULK, 10)
    attempt_id = call(engine, job_id)
    assert attempt_id is not None
    assert attempt_id > 1000
    assert note(engine, [*called, Called(attempt_id, job_id, later(), ACCOUNT)]) is None


def test_whoever_looks_a_moment_later_writes_down_only_what_was_not_to_be_seen_before(engine: Engine) -> None:
    first, second, third = make_batch(engine, 3)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET created_at = now() - interval '1 day'"))
    began = datetime.now(UTC) - timedelta(seconds=10)
    calls = [
        Called(100 + n, job_id, began + timedelta(seconds=n), ACCOUNT)
        for n, job_id in enumerate((first, second, 999, third))
    ]
    for seen, held in ((calls[:3], 2), (calls, 3)):
        found = note(engine, seen)
        assert found is not None
        assert (found.calls, found.held, found.unknown) == (len(seen), held, 1)
    assert note(engine, calls) is None
    with engine.begin() as connection:
        assert one(connection, "SELECT count(*) FROM attempts") == 3
        [kept] = restores.list_recent(connection)
    assert (kept.calls, kept.held, kept.unknown) == (4, 3, 1)


def test_a_database_that_knows_all_calls_is_left_alone(engine: Engine) -> None:
    first, second = make_batch(engine, 2, queued=True)
    ids = [call(engine, each) for each in (first, second)]
    called = [
        Called(attempt_id or 0, job_id, later(), ACCOUNT)
        for attempt_id, job_id in zip(ids, (first, second), strict=True)
    ]
    assert note(engine, called) is None
    assert note(engine, []) is None
    assert state_of(engine, first) == "running"


def test_a_number_that_was_given_to_another_photo_holds_it_not(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    before = Called(10, job_id, datetime.now(UTC) - timedelta(hours=1), ACCOUNT)
    found = note(engine, [before])
    assert found is not None
    assert (found.held, found.unknown) == (0, 1)
    assert state_of(engine, job_id) == "pending"


def test_numbers_that_calls_and_photos_had_are_not_given_again(engine: Engine) -> None:
    make_batch(engine, 1)
    note(engine, [Called(700, 900, later(), ACCOUNT)])
    assert min(make_batch(engine, 1)) > 900


def test_a_call_that_the_backup_has_by_its_number_only_is_another(engine: Engine) -> None:
    # Processes that outlived the restore have given the number again.
    called_before, called_since, waiting = make_batch(engine, 3, queued=True)
    newest = call(engine, called_since)
    assert newest is not None
    found = note(
        engine, [Called(newest, called_before, later(), ACCOUNT), Called(newest + 1, waiting, later(), ACCOUNT)]
    )
    assert found is not None
    assert found.held == 2
    assert state_of(engine, called_since) == "running"


@pytest.mark.parametrize("is_told", [True, False])
def test_a_call_that_was_on_its_way_in_the_backup_is_held_and_not_made_again(engine: Engine, *, is_told: bool) -> None:
    on_its_way, called_later, not_called = make_batch(engine, 3, queued=True)
    assert call(engine, on_its_way) is not None
    assert claim(engine, not_called) is not None
    with engine.begin() as connection:
        called = [] if is_told else [Called(50, called_later, later(), ACCOUNT)]
        assert restores.note(connection, called, price=PRICE, is_told=is_told) is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'"))
        rescues.rescue(connection, partial(decide_lost, rules=RULES))
    assert state_of(engine, on_its_way) == "held"
    assert state_of(engine, not_called) == "pending"
    with engine.connect() as connection:
        assert one(connection, f"SELECT code FROM jobs WHERE id = {on_its_way}") == restores.CODE


def test_a_call_that_is_lost_after_it_is_retried_as_ever(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    with engine.begin() as connection:
        restores.note(connection, [], price=PRICE, is_told=True)
    assert call(engine, job_id) is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s'"))
        rescues.rescue(connection, partial(decide_lost, rules=RULES))
    assert state_of(engine, job_id) == "pending"


def test_what_is_taken_back_from_a_call_in_the_backup_leaves_no_call_open(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    assert call(engine, job_id) is not None
    found = note(engine, [Called(50, job_id, later(), ACCOUNT)])
    assert found is not None
    assert found.held == 1
    with engine.connect() as connection:
        assert one(connection, "SELECT count(*) FROM attempts WHERE answered_at IS NULL") == 0
        assert one(connection, "SELECT count(*) FROM attempts") == 2


def test_its_calls_count_for_limits(engine: Engine) -> None:
    first, second = make_batch(engine, 2)
    with engine.begin() as connection:
        budgets.set_limits(connection, 1, max_calls=2, max_cost=None)
    note(engine, remembered(engine, first, first))
    with engine.begin() as connection:
        assert one(connection, "SELECT calls_made FROM batches") == 2
        queue.queue_due(connection, Lane.BULK, 10)
    job = claim(engine, second)
    assert job is not None
    with engine.begin() as connection:
        assert attempts.open_call(connection, job, worker="w", account=ACCOUNT, tariff=Tariff(PRICE)) is None
