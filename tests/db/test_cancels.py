"""A cancel is a fact with a time: of what it found nothing runs again, unless somebody asks for it later."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, text

from core.states import JobState, Lane
from db import attempts, batches, cancels, circuits, jobs, overview, queue, requeues, tallies
from db.jobs import ClaimedJob
from tests.db.rows import ACCOUNT, claim, make_batch, put, rescue, state_of
from tests.db.waiting import wait_for_lock


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancels, "AT_ONCE", 4)


def cancel(engine: Engine) -> int | None:
    with engine.begin() as connection:
        return cancels.cancel(connection, 1)


def requeue_one(engine: Engine, job_id: int) -> bool:
    with engine.begin() as connection:
        return requeues.requeue_one(connection, job_id)


def clear(engine: Engine) -> list[int]:
    """Cancel stragglers until none are left; return how many at a time."""
    taken: list[int] = []
    while True:
        with engine.begin() as connection:
            found = cancels.cancel_stragglers(connection)
        if not found:
            return taken
        taken.append(found)


def due(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        return [job.id for job in queue.queue_due(connection, Lane.BULK, 1000)]


def kill(engine: Engine, *ids: int, state: str = "dead") -> None:
    with engine.begin() as connection:
        for job_id in ids:
            put(connection, state, f"id = {job_id}")


def states(engine: Engine, ids: list[int]) -> list[str]:
    return [state_of(engine, job_id) for job_id in ids]


def is_clearing(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT is_clearing FROM batches WHERE id = 1")).scalar_one())


def run(engine: Engine, job_id: int) -> ClaimedJob:
    job = claim(engine, job_id)
    assert job is not None
    return job


def may_call(engine: Engine, job: ClaimedJob) -> bool:
    with engine.connect() as connection:
        return attempts.open_call(connection, job, worker="w", account=ACCOUNT) is not None


def give_back(engine: Engine, job: ClaimedJob) -> str:
    with engine.begin() as connection:
        return jobs.give_back(connection, job, delay_seconds=0, spent=0)


def test_a_large_batch_is_cancelled_at_once_and_its_jobs_bit_by_bit(engine: Engine) -> None:
    ids = make_batch(engine, 11, queued=True)
    running = run(engine, ids[-1])
    assert cancel(engine) == 10
    with engine.begin() as connection:
        assert tallies.counts(connection, 1).cancelled == 4
    assert [claim(engine, job_id) for job_id in ids] == [None] * 11
    assert clear(engine) == [4, 2]
    assert state_of(engine, ids[-1]) == "running"
    assert is_clearing(engine), "one that runs may come back"
    assert give_back(engine, running) == "cancelled"
    assert clear(engine) == []
    assert not is_clearing(engine)


def test_a_requeue_of_one_photo_revives_no_other(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    kill(engine, ids[0])
    assert cancel(engine) == 10
    assert requeue_one(engine, ids[0])
    assert due(engine) == [ids[0]]
    assert clear(engine) == [4, 2]
    assert states(engine, ids) == ["queued"] + ["cancelled"] * 10


def test_a_requeue_of_a_group_revives_no_other(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    kill(engine, *ids[:2])
    cancel(engine)
    with engine.begin() as connection:
        assert requeues.requeue(connection, 1, None) == 2
    assert due(engine) == ids[:2]
    clear(engine)
    assert states(engine, ids) == ["queued"] * 2 + ["cancelled"] * 9


def test_a_cancel_ends_what_is_in_redis_first(engine: Engine) -> None:
    make_batch(engine, 20)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET available_at = now() + interval '1 h' WHERE id <= 15"))
        dispatched = [job.id for job in queue.queue_due(connection, Lane.BULK, 3)]
    cancel(engine)
    assert states(engine, dispatched) == ["cancelled"] * 3
    with engine.connect() as connection:
        assert queue.count_live(connection) == {}, "others wait for this room"


def test_what_is_asked_for_again_while_it_is_called_off_is_dispatched_at_once(engine: Engine) -> None:
    first, *_ = ids = make_batch(engine, 3, queued=True)
    with engine.begin() as connection, engine.begin() as other:
        other.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": first})
        cancels.cancel(connection, 1)
    assert claim(engine, first) is None, "its message is used up by that"
    with engine.begin() as connection:
        assert requeues.requeue(connection, 1, state=JobState.CANCELLED) == 3
    assert due(engine) == ids


def test_what_was_queued_before_the_cancel_is_neither_claimed_nor_a_probe_after_a_requeue(engine: Engine) -> None:
    ids = make_batch(engine, 8, queued=True)
    kill(engine, ids[0])
    cancel(engine)
    requeue_one(engine, ids[0])
    left = [job_id for job_id in ids if state_of(engine, job_id) == "queued"]
    assert len(left) == 3
    assert [claim(engine, job_id) for job_id in left] == [None] * 3
    with engine.begin() as connection:
        # The messages of these are gone from Redis, so that they are pending again.
        gone = text("SELECT job_id, dispatch FROM queued_jobs WHERE job_id = ANY(:ids)")
        messages = [(row.job_id, row.dispatch) for row in connection.execute(gone, {"ids": left})]
        assert len(queue.unqueue(connection, messages)) == 3
        early = text("UPDATE jobs SET available_at = now() - interval '1 hour' WHERE id <> :id")
        connection.execute(early, {"id": ids[0]})
        circuits.trip(connection, ACCOUNT, reason="account", code="InvalidAppKey", message="no")
        probed, _ = circuits.queue_probe(connection, ACCOUNT) or (0, 0)
        assert probed == ids[0]
        [_, bulk] = overview.look_at_lanes(connection)
        assert bulk.oldest_seconds is not None
        assert bulk.oldest_seconds < 1800, "what was cancelled is not late"


def test_a_photo_that_was_snoozed_before_the_cancel_is_not_due_after_a_requeue(engine: Engine) -> None:
    ids = make_batch(engine, 8)
    kill(engine, ids[0])
    cancel(engine)
    requeue_one(engine, ids[0])
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET available_at = clock_timestamp() WHERE state = 'pending'"))
    assert due(engine) == [ids[0]]


def test_what_is_requeued_and_cancelled_again_does_not_run(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    kill(engine, ids[0])
    cancel(engine)
    requeue_one(engine, ids[0])
    assert cancel(engine) is not None
    kill(engine, ids[1])
    requeue_one(engine, ids[1])
    assert due(engine) == [ids[1]]
    clear(engine)
    assert states(engine, ids) == ["cancelled", "queued"] + ["cancelled"] * 9


@pytest.mark.parametrize("comes_back", ["given back", "rescued"])
def test_a_job_that_ran_when_its_batch_was_cancelled_is_cancelled_though_the_batch_was_reopened(
    engine: Engine, comes_back: str
) -> None:
    dead, running = make_batch(engine, 2, queued=True)
    kill(engine, dead)
    job = run(engine, running)
    cancel(engine)
    requeue_one(engine, dead)
    assert not may_call(engine, job)
    if comes_back == "given back":
        assert give_back(engine, job) == "cancelled"
    else:
        with engine.begin() as connection:
            lapse = text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE id = :id")
            connection.execute(lapse, {"id": running})
            [rescued] = rescue(connection)
        assert (rescued.id, rescued.state) == (running, "cancelled")
    assert due(engine) == [dead]
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == []
    kill(engine, dead)
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == [1]


def test_a_job_that_comes_back_while_its_batch_is_cancelled_is_cancelled(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = run(engine, job_id)
    with engine.begin() as cancelling:
        cancels.cancel(cancelling, 1)
        assert give_back(engine, job) == "pending"
    assert clear(engine) == [1]
    assert state_of(engine, job_id) == "cancelled"


def test_a_job_that_is_coming_back_keeps_its_batch_from_being_called_cleared(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = run(engine, job_id)
    with engine.begin() as returning:
        # Before anything else in its transaction, so that it sees no cancel.
        returning.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        assert jobs.give_back(returning, job, delay_seconds=0, spent=0) == "pending"
        cancel(engine)
        assert clear(engine) == []
        assert is_clearing(engine)
    assert clear(engine) == [1]
    assert state_of(engine, job_id) == "cancelled"
    assert clear(engine) == []
    assert not is_clearing(engine)


def test_a_requeue_that_waited_for_a_cancel_comes_after_it(engine: Engine) -> None:
    ids = make_batch(engine, 3)
    kill(engine, ids[0])
    with ThreadPoolExecutor(1) as pool, engine.connect() as requeueing:
        begin_early(requeueing)
        with engine.begin() as cancelling:
            cancels.cancel(cancelling, 1)
            waiting = pool.submit(requeues.requeue_one, requeueing, ids[0])
            assert wait_for_lock(engine, waiting)
        assert waiting.result(timeout=120)
        requeueing.commit()
    assert due(engine) == [ids[0]]
    assert clear(engine) == []


def test_a_cancel_that_waited_for_a_requeue_comes_after_it(engine: Engine) -> None:
    ids = make_batch(engine, 3)
    kill(engine, ids[0])
    with ThreadPoolExecutor(1) as pool, engine.connect() as cancelling:
        begin_early(cancelling)
        with engine.begin() as requeueing:
            assert requeues.requeue_one(requeueing, ids[0])
            waiting = pool.submit(cancels.cancel, cancelling, 1)
            assert wait_for_lock(engine, waiting)
        assert waiting.result(timeout=120) == 3
        cancelling.commit()
    clear(engine)
    assert states(engine, ids) == ["cancelled"] * 3


def test_a_batch_that_has_ended_is_not_cancelled(engine: Engine) -> None:
    make_batch(engine, 1)
    kill(engine, 1, state="held")
    with engine.begin() as connection:
        batches.finish_settled(connection)
    assert cancel(engine) is None
    assert state_of(engine, 1) == "held"


def test_cancel_leaves_what_is_in_a_call(engine: Engine) -> None:
    running, queued = make_batch(engine, 2, queued=True)
    job = run(engine, running)
    assert cancel(engine) == 1
    assert states(engine, [running, queued]) == ["running", "cancelled"]
    assert give_back(engine, job) == "cancelled"


def begin_early(connection: Connection) -> None:
    """Begin a transaction, whose `now()` is then before whatever happens next."""
    connection.execute(text("SELECT now()"))
