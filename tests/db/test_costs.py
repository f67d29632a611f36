"""The ledger adds up: every call is paid, maybe paid, unpaid or on its way."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Engine, text

from core.states import AnswerClass, Spend
from db import attempts, costs
from db.attempts import AttemptResult
from db.budgets import Tariff
from tests.db.rows import call, make_batch, put

PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID)
REFUSED = AttemptResult(AnswerClass.PERMANENT, "700", "", spend=Spend.NONE)
LOST = AttemptResult(AnswerClass.MAYBE_BILLED, "read_timeout", "", spend=Spend.MAYBE)


def make_calls(engine: Engine, outcomes: list[AttemptResult | None], price: str) -> list[int]:
    """Make a batch with a call for each outcome, None for one that is on its way; return the attempts' ids."""
    made = []
    for job_id, outcome in zip(make_batch(engine, len(outcomes), queued=True), outcomes, strict=True):
        attempt_id = call(engine, job_id, Tariff(Decimal(price)))
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
        assert costs.spent(connection, 1) == costs.Spent(2, Decimal("0.06"))


def test_a_call_costs_what_it_cost_when_it_was_made(engine: Engine) -> None:
    make_calls(engine, [PAID], "0.02")
    make_calls(engine, [PAID], "0.05")
    assert {line.batch_id: line.cost for line in ledger(engine)} == {1: Decimal("0.02"), 2: Decimal("0.05")}


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
