"""The ledger adds up: every call is paid, maybe paid, unpaid or on its way."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Engine, text

from core.settings import SANDBOX_KEY
from core.states import AnswerClass, Spend
from db import attempts, costs, job_history, listings, overview, tallies
from db.attempts import AttemptResult
from db.budgets import Tariff
from db.costs import CostsBy
from tests.db.rows import ACCOUNT, call, make_batch, put

PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID)
REFUSED = AttemptResult(AnswerClass.PERMANENT, "700", "", spend=Spend.NONE)
LOST = AttemptResult(AnswerClass.MAYBE_BILLED, "read_timeout", "", spend=Spend.MAYBE)


def make_calls(engine: Engine, outcomes: list[AttemptResult | None], price: str, account: str = ACCOUNT) -> list[int]:
    """Make a batch with a call for each outcome, None for one that is on its way; return the attempts' ids."""
    made = []
    for job_id, outcome in zip(make_batch(engine, len(outcomes), queued=True), outcomes, strict=True):
        attempt_id = call(engine, job_id, Tariff(Decimal(price)), account)
        assert attempt_id is not None
        made.append(attempt_id)
        if outcome is not None:
            with engine.begin() as connection:
                attempts.settle(connection, attempt_id, outcome)
    return made


def ledger(engine: Engine, batch_id: int | None = None, days: int | None = None) -> list[costs.LedgerLine]:
    with engine.connect() as connection:
        return costs.ledger(connection, batch_id=batch_id, days=days)


def test_every_call_is_in_one_column(engine: Engine) -> None:
    make_calls(engine, [PAID, PAID, REFUSED, LOST, None], "0.02")
    [line] = ledger(engine)
    assert (line.calls, line.paid, line.maybe_paid, line.unpaid, line.open) == (5, 2, 1, 1, 1)
    assert (line.cost, line.maybe_cost) == (Decimal("0.06"), Decimal("0.02"))
    assert line.codes == {"200": 2, "700": 1, "read_timeout": 1}
    with engine.connect() as connection:
        assert costs.spent(connection, 1) == costs.Spent(2, 3, Decimal("0.06"))


def test_a_call_costs_what_it_cost_when_it_was_made(engine: Engine) -> None:
    make_calls(engine, [PAID], "0.02")
    make_calls(engine, [PAID], "0.05")
    assert {line.batch_id: line.cost for line in ledger(engine)} == {1: Decimal("0.02"), 2: Decimal("0.05")}


def test_calls_to_the_sandbox_cost_nothing_whoever_is_called_by_now(engine: Engine) -> None:
    make_calls(engine, [PAID, LOST, REFUSED], "0.02", SANDBOX_KEY)
    make_calls(engine, [PAID], "0.02")
    first, second = sorted(ledger(engine), key=lambda line: line.batch_id)
    assert (first.calls, first.paid, first.maybe_paid, first.cost, first.maybe_cost) == (
        3,
        1,
        1,
        Decimal(0),
        Decimal(0),
    )
    assert (second.paid, second.cost) == (1, Decimal("0.02"))
    for _ in range(2):
        with engine.begin() as connection:
            assert costs.spent(connection, 1) == costs.Spent(1, 2, Decimal(0))
            assert [each.cost for each in tallies.tally(connection, [1, 2]).values()] == [0, Decimal("0.02")]
            assert overview.cost_today(connection) == Decimal("0.02")
            assert [each.cost for each in listings.list_photos(connection, batch_id=1, after=0)] == [0, 0, 0]
            [attempt] = job_history.list_attempts(connection, 1)
            assert (attempt.price, attempt.is_free) == (Decimal("0.02"), True)
            tallies.fold(connection)
            costs.fold(connection)


def test_days_are_those_of_utc_and_today_is_the_first(engine: Engine) -> None:
    ids = make_calls(engine, [PAID, PAID, PAID], "1")
    with engine.begin() as connection:
        for attempt_id, days in zip(ids, (0, 1, 9), strict=True):
            connection.execute(
                text("UPDATE attempts SET sent_at = sent_at - make_interval(days => :days) WHERE id = :id"),
                {"days": days, "id": attempt_id},
            )
    first, second, third = ledger(engine)
    assert (first.day - second.day, first.day - third.day) == (timedelta(days=1), timedelta(days=9))
    assert [line.day for line in ledger(engine, days=1)] == [first.day]
    assert [line.day for line in ledger(engine, batch_id=1, days=2)] == [first.day, second.day]
    assert ledger(engine, batch_id=2) == []


def test_reused_photos_are_counted_although_nothing_was_called(engine: Engine) -> None:
    make_batch(engine, 3)
    with engine.begin() as connection:
        put(connection, "succeeded", "id IN (2, 3)", reused_from=1)
    [line] = ledger(engine)
    assert (line.calls, line.reused, line.cost) == (0, 2, Decimal(0))


def test_photos_that_were_never_called_for_are_no_calls(engine: Engine) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO attempts (job_id, batch_id, lease_token, worker, answered_at, answer_class, code) "
                "VALUES (1, 1, gen_random_uuid(), 'w', now(), 'source', 'too_small')"
            )
        )
    assert ledger(engine) == []


def add_up(engine: Engine) -> None:
    with engine.begin() as connection:
        costs.fold(connection)


def test_what_is_added_up_is_told_once(engine: Engine) -> None:
    make_calls(engine, [PAID, LOST, None], "0.02")
    before = ledger(engine)
    add_up(engine)
    assert ledger(engine) == before
    make_calls(engine, [PAID], "0.02")
    add_up(engine)
    add_up(engine)
    assert costs.total(ledger(engine)).cost == Decimal("0.06")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger_changes")).scalar_one() == 0
        # A line for each batch and code, however many calls.
        assert connection.execute(text("SELECT count(*) FROM ledger_days")).scalar_one() == 3


def test_a_photo_that_is_requeued_was_not_saved(engine: Engine) -> None:
    make_batch(engine, 3)
    with engine.begin() as connection:
        put(connection, "succeeded", "id = 1", reused_from=3)
        put(connection, "succeeded", "id = 2", is_bare=True)
        connection.execute(text("UPDATE jobs SET code = 'nothing_to_remove' WHERE id = 2"))
    [line] = ledger(engine)
    assert (line.reused, line.skipped) == (1, 1)
    with engine.begin() as connection:
        put(connection, "pending", "id < 3", reused_from=None)
    assert ledger(engine) == []


def told(engine: Engine, by: CostsBy, days: int | None = None) -> list[tuple[str, int, Decimal]]:
    with engine.connect() as connection:
        return [(line.key, line.calls, line.cost) for line in costs.costs_by(connection, by, days=days)]


def test_costs_are_told_per_day_batch_connection_and_lane(engine: Engine) -> None:
    make_calls(engine, [PAID, PAID, None], "0.02")
    make_calls(engine, [PAID, REFUSED], "0.05")
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE batches SET lane = 'interactive', options = '{\"connection\": 7}' WHERE id = 2")
        )
        connection.execute(text("UPDATE attempts SET sent_at = sent_at - interval '3 days' WHERE batch_id = 2"))
        today = connection.execute(text("SELECT CAST(now() AT TIME ZONE 'UTC' AS date)")).scalar_one()
    first, second = ("1", 3, Decimal("0.04")), ("2", 2, Decimal("0.05"))
    for _ in range(2):
        assert told(engine, CostsBy.BATCH) == [second, first]
        assert told(engine, CostsBy.BATCH, days=2) == [first]
        assert told(engine, CostsBy.LANE) == [("interactive", *second[1:]), ("bulk", *first[1:])]
        assert told(engine, CostsBy.CONNECTION) == [("7", *second[1:]), ("", *first[1:])]
        days = [today.isoformat(), (today - timedelta(days=3)).isoformat()]
        assert told(engine, CostsBy.DAY) == [(days[0], *first[1:]), (days[1], *second[1:])]
        add_up(engine)
    with engine.connect() as connection:
        sums = {by: costs.total(costs.costs_by(connection, by, days=None)) for by in CostsBy}
        assert set(map(str, sums.values())) == {str(costs.total(costs.ledger(connection, batch_id=None, days=None)))}
