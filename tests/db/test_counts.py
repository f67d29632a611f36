"""The counts that triggers keep are those that counting would give, whatever happens to jobs and calls."""

import random

import pytest
from sqlalchemy import Connection, Engine, text

from core.states import AnswerClass, JobState, Lane, Spend
from db import attempts, cancels, jobs, queue, requeues, tallies
from db.attempts import AttemptResult
from db.live import STATE
from db.tallies import BatchCounts
from tests.db.rows import ACCOUNT, call, claim, make_batch, rescue

OUTCOMES = [
    AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID),
    AttemptResult(AnswerClass.MAYBE_BILLED, "read_timeout", "", spend=Spend.MAYBE),
    AttemptResult(AnswerClass.THROTTLED, "501", "", counted=False),
    AttemptResult(AnswerClass.PROVIDER_FAULT, "connect_error", "", was_sent=False),
]


def counted(connection: Connection, batch_id: int) -> BatchCounts:
    """Count rows one by one."""
    found = connection.execute(
        text(
            f"SELECT {STATE} AS state, count(*) AS n, count(reused_from) AS reused, "
            "sum(greatest(attempts - 1, 0)) AS retries "
            "FROM jobs AS j WHERE batch_id = :id GROUP BY 1"
        ),
        {"id": batch_id},
    ).all()
    calls = connection.execute(
        text(
            "SELECT count(*) AS calls, count(*) FILTER (WHERE answer_class = 'throttled') AS throttled, "
            "count(*) FILTER (WHERE spend = 'maybe' AND answered_at IS NOT NULL) AS maybe_billed "
            "FROM attempts WHERE batch_id = :id AND sent_at IS NOT NULL"
        ),
        {"id": batch_id},
    ).one()
    return BatchCounts(
        total=sum(row.n for row in found),
        reused=sum(row.reused for row in found),
        retries=sum(int(row.retries) for row in found),
        **{row.state: row.n for row in found},
        **calls._asdict(),
    )


def check(engine: Engine, batch_id: int) -> None:
    with engine.connect() as connection:
        assert tallies.counts(connection, batch_id) == counted(connection, batch_id)


def live_through(engine: Engine, job_id: int, chance: random.Random) -> None:
    """Let one queued job come to some end."""
    job = claim(engine, job_id)
    if job is None:
        return
    with engine.begin() as connection:
        attempt_id = attempts.open_call(connection, job, worker="w", account=ACCOUNT)
        assert attempt_id is not None
    with engine.begin() as connection:
        if chance.random() < 0.2:
            attempts.withdraw(connection, attempt_id)
        else:
            attempts.settle(connection, attempt_id, chance.choice(OUTCOMES))
        if chance.random() < 0.5:
            jobs.give_back(connection, job, delay_seconds=0, spent=chance.choice([0, 1]))
        else:
            jobs.stop(connection, job, state=chance.choice(["dead", "held"]), code="x", message="x", spent=1)


@pytest.mark.parametrize("seed", range(5))
def test_counts_follow_every_move(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    ids = make_batch(engine, 12, queued=True)
    make_batch(engine, 3)
    for number in range(4):
        for job_id in ids:
            live_through(engine, job_id, chance)
        check(engine, 1)
        with engine.begin() as connection:
            requeues.requeue(connection, 1, None, state=(JobState.DEAD, JobState.HELD)[number % 2])
            tallies.fold(connection)
        check(engine, 1)
        with engine.begin() as connection:
            queue.queue_due(connection, Lane.BULK, 10)
        check(engine, 1)
        with engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET reused_from = 1 WHERE id = :id"), {"id": chance.choice(ids)})
    with engine.begin() as connection:
        cancels.cancel(connection, 1)
    check(engine, 1)
    check(engine, 2)


def test_a_lost_worker_is_counted(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    assert call(engine, job_id) is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s'"))
        rescue(connection)
    check(engine, 1)
    with engine.connect() as connection:
        found = tallies.counts(connection, 1)
    assert (found.pending, found.calls, found.maybe_billed) == (1, 1, 1)
