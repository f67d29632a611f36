"""Many photos go round again bit by bit, each once, and nobody waits for all of them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event, text

from core.states import JobState, Lane
from db import batches, cancels, jobs, queue, redo, requeues
from tests.db.rows import claim, make_batch, state_of
from tests.db.waiting import wait_for_lock


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requeues, "AT_ONCE", 4)


def end(engine: Engine, ids: list[int], state: JobState = JobState.DEAD, code: str = "801") -> None:
    with engine.begin() as connection:
        statement = text("UPDATE jobs SET state = :state, code = :code, finished_at = now() WHERE id = ANY(:ids)")
        connection.execute(statement, {"ids": ids, "state": state.value, "code": code})


def requeue(engine: Engine, code: str | None = None, state: JobState = JobState.DEAD) -> int:
    with engine.begin() as connection:
        return requeues.requeue(connection, 1, code, state=state)


def go_on(engine: Engine, between: Callable[[], None] = lambda: None) -> int:
    """Go on until nothing is left; return how many rounds that took."""
    rounds = 0
    while True:
        between()
        with engine.begin() as connection:
            if not requeues.go_on(connection):
                return rounds
        rounds += 1


@contextmanager
def before(engine: Engine, beginning: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """Do something right before each statement that begins so; yield these."""
    seen: list[str] = []

    def look(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(beginning):
            seen.append(statement)
            act()

    event.listen(engine, "before_cursor_execute", look)
    yield seen
    event.remove(engine, "before_cursor_execute", look)


def in_state(engine: Engine, ids: list[int], state: str) -> list[int]:
    return [job_id for job_id in ids if state_of(engine, job_id) == state]


@pytest.mark.parametrize("state", [JobState.DEAD, JobState.HELD])
def test_a_few_rows_are_written_at_a_time(engine: Engine, state: JobState) -> None:
    ids = make_batch(engine, 11)
    end(engine, ids, state)
    assert requeue(engine, state=state) == 11
    assert in_state(engine, ids, "pending") == ids[:4]
    assert go_on(engine) == 2
    assert in_state(engine, ids, "pending") == ids


def test_only_those_with_the_code_go_on(engine: Engine) -> None:
    ids = make_batch(engine, 12)
    end(engine, ids[::2], code="801")
    end(engine, ids[1::2], code="703")
    assert requeue(engine, "801") == 6
    go_on(engine)
    assert in_state(engine, ids, "pending") == ids[::2]


def test_a_photo_that_ends_again_meanwhile_is_not_sent_twice(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    end(engine, ids)
    requeue(engine)
    assert go_on(engine, lambda: end(engine, in_state(engine, ids, "pending"))) == 2
    assert in_state(engine, ids, "dead") == ids


def test_a_photo_that_ends_after_it_was_asked_is_not_sent(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    end(engine, ids[:10])
    requeue(engine)
    end(engine, ids[10:])
    go_on(engine)
    assert in_state(engine, ids, "dead") == ids[10:]


def test_a_cancel_ends_what_is_still_to_be_sent(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    end(engine, ids)
    requeue(engine)
    with engine.begin() as connection:
        assert cancels.cancel(connection, 1) == 4
    assert go_on(engine) == 0
    assert in_state(engine, ids, "dead") == ids[4:]


def test_a_batch_does_not_end_while_some_are_still_to_be_sent(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    end(engine, ids)
    requeue(engine)
    end(engine, in_state(engine, ids, "pending"))
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == []
    go_on(engine)
    end(engine, in_state(engine, ids, "pending"))
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == [1]


def test_two_who_go_on_at_once_send_each_photo_once(engine: Engine) -> None:
    ids = make_batch(engine, 11)
    end(engine, ids)
    requeue(engine)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as first:
            assert requeues.go_on(first)
            second = pool.submit(go_on, engine)
            assert wait_for_lock(engine, second)
        second.result(timeout=120)
    with engine.connect() as connection:
        sent = connection.execute(text("SELECT requeues FROM jobs ORDER BY id")).scalars()
        assert list(sent) == [1] * 11


def test_what_was_cancelled_goes_round_again_when_asked_though_not_all_rows_say_so_yet(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancels, "AT_ONCE", 3)
    ids = make_batch(engine, 11)
    end(engine, ids[:2])
    with engine.begin() as connection:
        assert cancels.cancel(connection, 1) == 9
    assert len(in_state(engine, ids, "cancelled")) == 3
    assert requeue(engine, state=JobState.CANCELLED) == 9
    with engine.begin() as connection:
        assert cancels.cancel_stragglers(connection) == 3
    go_on(engine)
    assert in_state(engine, ids, "pending") == ids[2:]
    with engine.begin() as connection:
        assert cancels.cancel_stragglers(connection) == 0
        assert len(queue.queue_due(connection, Lane.BULK, 100)) == 9
        assert set(connection.execute(text("SELECT requeues FROM jobs")).scalars()) == {0}


@pytest.mark.parametrize("alone", [True, False])
def test_a_photo_in_a_call_when_its_batch_was_cancelled_and_requeued_goes_on(engine: Engine, alone: bool) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        cancels.cancel(connection, 1)
    with engine.begin() as connection:
        if alone:
            assert requeues.requeue_one(connection, job_id)
        else:
            assert requeues.requeue(connection, 1, state=JobState.CANCELLED) == 1
    with engine.begin() as connection:
        assert jobs.give_back(connection, job, delay_seconds=0, spent=0) == "pending"
    with engine.begin() as connection:
        assert [each.id for each in queue.queue_due(connection, Lane.BULK, 10)] == [job_id]


def test_a_photo_that_comes_back_while_the_cancelled_ones_are_looked_for_goes_round_again(engine: Engine) -> None:
    ids = make_batch(engine, 8, queued=True)
    job = claim(engine, ids[5])
    assert job is not None
    with engine.begin() as connection:
        cancels.cancel(connection, 1)

    def come_back() -> None:
        with engine.begin() as connection:
            assert jobs.give_back(connection, job, delay_seconds=0, spent=0) == "cancelled"

    with before(engine, "SELECT count(*) FROM (SELECT found.id", come_back):
        requeue(engine, state=JobState.CANCELLED)
    assert state_of(engine, ids[5]) == "pending"
    go_on(engine)
    assert in_state(engine, ids, "pending") == ids


def test_the_lease_of_a_photo_in_a_call_is_prolonged_while_those_to_requeue_are_looked_for(engine: Engine) -> None:
    ids = make_batch(engine, 8, queued=True)
    job = claim(engine, ids[0])
    assert job is not None
    with engine.begin() as connection:
        cancels.cancel(connection, 1)
    left = text("SELECT extract(epoch FROM lease_expires_at - now()) FROM jobs WHERE id = :id")

    def prolong() -> None:
        with engine.begin() as connection:
            assert jobs.renew(connection, [job.lease_token], lease_seconds=1000) == {job.lease_token}
        with engine.begin() as connection:
            assert connection.execute(left, {"id": job.id}).scalar_one() > 900

    with before(engine, "SELECT count(*) FROM (SELECT found.id", prolong) as times:
        assert requeue(engine, state=JobState.CANCELLED) == 8
    assert len(times) == 1
    with engine.begin() as connection:
        assert jobs.give_back(connection, job, delay_seconds=0, spent=0) == "pending"


def test_a_redo_that_was_cancelled_is_done_when_it_is_asked_for_again(engine: Engine) -> None:
    [done] = make_batch(engine, 1)
    end(engine, [done])

    def ask() -> int:
        with engine.begin() as connection:
            return redo.add(connection, done, mask="1 2", input_uri=None, item_key="key").job_id

    made = ask()
    with engine.begin() as connection:
        other = redo.add(connection, done, mask="3 4", input_uri=None, item_key="other").job_id
    with engine.begin() as connection:
        cancels.cancel(connection, 2)
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, other)
    assert state_of(engine, made) == "cancelled"
    assert ask() == made
    assert state_of(engine, made) == "pending"
