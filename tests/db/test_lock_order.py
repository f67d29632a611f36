"""Transactions that lock the same rows at the same moment take them in one order, and so never end each other."""

import threading
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from core.decision import Decision, Move
from core.states import AnswerClass
from db import attempts, budgets, circuits, jobs, redo, reviews, success
from db.attempts import AttemptResult
from db.budgets import Tariff
from db.outages import ProbeRules
from db.store.postgres import PostgresStore
from removal.providers.aidge import Aidge
from tests.db.meeting import meet
from tests.db.rows import ACCOUNT, OUTPUT, claim, keep_output, make_batch, put, rescue, state_of
from worker.circuit import AccountHealth
from worker.connections import Connections
from worker.finish import Finisher
from worker.writes import Writes

TARIFF = Tariff(Decimal("0.01"), daily_calls=100)
HEALTH = AccountHealth(ACCOUNT, ProbeRules(), Aidge.kind_of)
REFUSED = AttemptResult(AnswerClass.PERMANENT, "703", "no", http_status=200, latency_seconds=0.0)


def finisher(engine: Engine) -> Finisher:
    lines = Connections(engine, engine, engine)
    return Finisher(
        engine,
        PostgresStore(),
        paid=engine,
        writes=Writes(lines, worker="w", lease_seconds=30, account=ACCOUNT, price=Decimal(0)),
        health=HEALTH,
        worker="w",
        out_of_time=threading.Event(),
    )


@pytest.mark.parametrize(
    "outcome", [REFUSED, AttemptResult(AnswerClass.PROVIDER_FAULT, "801", "down", latency_seconds=0.0)]
)
def test_an_answer_that_is_written_down_and_a_rescue_of_its_job_do_not_end_each_other(
    engine: Engine, outcome: AttemptResult
) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        called = attempts.open_call(connection, job, worker="w", account=ACCOUNT)
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s'"))
    assert called is not None
    dead = Decision(Move.DEAD, counted=True)

    def rescue_it(engine: Engine) -> None:
        with engine.begin() as connection:
            rescue(connection)

    assert meet(engine, lambda slow: finisher(slow).apply(job, called, outcome, dead), rescue_it) == []
    assert state_of(engine, job_id) == "dead"


def test_a_probe_that_is_reserved_and_a_refund_that_closes_the_circuit_do_not_end_each_other(engine: Engine) -> None:
    probing, called_before = make_batch(engine, 2, queued=True)
    with engine.begin() as connection:
        budgets.set_limits(connection, 1, max_calls=10, max_cost=Decimal(1))
    before, probe = claim(engine, called_before), claim(engine, probing)
    assert before is not None
    assert probe is not None
    with engine.begin() as connection:
        attempt_id = attempts.open_call(connection, before, worker="w", account=ACCOUNT, tariff=TARIFF)
        circuits.trip(connection, ACCOUNT, reason="account", code="NoResource", message="empty")
        connection.execute(text("UPDATE circuits SET next_probe_at = now(), opened_at = now() - interval '1 s'"))
    assert attempt_id is not None

    def open_probe(engine: Engine) -> None:
        with engine.begin() as connection:
            attempts.open_call(connection, probe, worker="w", account=ACCOUNT, tariff=TARIFF)

    def refund(engine: Engine) -> None:
        finisher(engine).apply(before, attempt_id, REFUSED, Decision(Move.DEAD, counted=True))

    assert meet(engine, open_probe, refund) == []
    with engine.connect() as connection:
        assert circuits.find_open(connection, ACCOUNT) is None
        left = connection.execute(text("SELECT calls_made, cost_reserved FROM batches")).one()
    assert tuple(left) == (2, Decimal("0.01"))


@pytest.fixture
def redone(engine: Engine) -> tuple[int, int]:
    """A photo and the job that does it again; both wait for a person."""
    [original] = make_batch(engine, 1)
    made = ask_again(engine, original)
    with engine.begin() as connection:
        keep_output(connection)
        put(connection, "held", artifact_sha256=OUTPUT)
    return original, made


def ask_again(engine: Engine, original: int) -> int:
    with engine.begin() as connection:
        return redo.add(connection, original, mask="1 2", input_uri=None, item_key="key").job_id


def lock_both(engine: Engine, redone: tuple[int, int]) -> None:
    """Lock a photo and its redo as a requeue, or whoever finds an outage, does."""
    with engine.begin() as connection:
        for job_id in redone:
            jobs.lock(connection, job_id)


def test_a_redo_that_is_accepted_and_a_requeue_of_its_batch_do_not_end_each_other(
    engine: Engine, redone: tuple[int, int]
) -> None:
    original, made = redone

    def accept(engine: Engine) -> None:
        with engine.begin() as connection:
            reviews.accept(connection, [made])

    assert meet(engine, lambda slow: lock_both(slow, redone), accept) == []
    assert state_of(engine, original) == "succeeded"


def test_a_redo_that_succeeds_and_an_outage_that_is_found_by_it_do_not_end_each_other(
    engine: Engine, redone: tuple[int, int]
) -> None:
    original, made = redone
    with engine.begin() as connection:
        put(connection, "queued", f"id = {made}")
    job = claim(engine, made)
    assert job is not None

    def succeed(engine: Engine) -> None:
        with engine.begin() as connection:
            success.succeed(connection, job, artifact_sha256=OUTPUT)

    assert meet(engine, lambda slow: lock_both(slow, redone), succeed) == []
    assert state_of(engine, original) == "succeeded"


def test_a_redo_that_is_asked_for_again_and_a_requeue_of_its_batch_do_not_end_each_other(
    engine: Engine, redone: tuple[int, int]
) -> None:
    original, made = redone
    with engine.begin() as connection:
        put(connection, "succeeded", f"id = {made}")
    assert meet(engine, lambda slow: lock_both(slow, redone), lambda other: ask_again(other, original)) == []


def test_no_trigger_but_those_known_locks_rows_that_its_statement_does_not(engine: Engine) -> None:
    # The recorder does not see what triggers lock: whoever adds one looks after its order by hand. Write-backs, which a
    # photo that becomes clean writes, come after jobs; what is queued or noted of a job is written by who locked it.
    locking = text(
        "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('public') "
        "AND prorettype = CAST('trigger' AS regtype) "
        "AND prosrc ~* '(update|delete from|for share|for key share|lock table|pg_advisory)'"
    )
    with engine.connect() as connection:
        assert set(connection.execute(locking).scalars()) == {"note_clean", "take_redone", "leave_queue", "end_run"}
