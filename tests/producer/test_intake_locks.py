"""While a long source is read, nobody waits: neither others' batches nor the calls of the one it goes into."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from core.states import Lane
from db import batches, cancels, queue, requeues
from db.budgets import Tariff
from producer.catalogue.item import Item
from producer.intake import BatchOptions, Intake, submit
from tests.db.rows import call, make_batch, put, state_of

OPTIONS = BatchOptions(max_calls=100)


def photo(name: str) -> Item:
    return Item(uri=f"https://shop.example/{name}.jpg", name=f"{name}.jpg")


def hand_in(engine: Engine, *names: str, options: BatchOptions = OPTIONS) -> Intake:
    with engine.begin() as connection:
        return submit(connection, map(photo, names), name="t", source="s", options=options)


@contextmanager
def reading(engine: Engine) -> Iterator[None]:
    """Hand a source in that has told of one photo and not yet of the next."""
    began, goes_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[Item]:
        yield photo("new")
        began.set()
        assert goes_on.wait(60)
        yield photo("newer")

    def work() -> Intake:
        with engine.begin() as connection:
            return submit(connection, slowly(), name="t", source="s", options=OPTIONS)

    with ThreadPoolExecutor(1) as pool:
        intake = pool.submit(work)
        try:
            assert began.wait(60)
            yield
        finally:
            goes_on.set()
        assert intake.result(timeout=60).added == 2


def impatient(engine: Engine) -> Engine:
    """Return an engine whose statements fail when they have to wait for somebody's lock."""
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET lock_timeout = 1000')
    return engine


def test_a_batch_is_called_for_while_more_of_it_is_read(engine: Engine) -> None:
    hand_in(engine, "a")
    with engine.begin() as connection:
        [due] = queue.queue_due(connection, Lane.BULK, 10)
    with reading(engine):
        assert call(impatient(engine), due.id, Tariff(Decimal("0.02"), 100)) is not None


def test_a_batch_is_cancelled_while_more_of_it_is_read_and_that_is_a_batch_of_its_own(engine: Engine) -> None:
    hand_in(engine, "a")
    with reading(engine), impatient(engine).begin() as connection:
        assert cancels.cancel(connection, 1) == 1
    with engine.begin() as connection:
        assert [job.id for job in queue.queue_due(connection, Lane.BULK, 10)] == [2, 3]


def test_the_batches_of_others_are_not_locked_while_a_source_is_read(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    with engine.begin() as connection:
        dead = text("UPDATE jobs SET state = 'dead', code = '801', finished_at = now()")
        connection.execute(dead)
    with reading(engine), impatient(engine).begin() as connection:
        assert requeues.requeue_one(connection, job_id)
    assert state_of(engine, job_id) == "pending"


def test_a_call_is_opened_while_what_was_read_is_written(engine: Engine) -> None:
    hand_in(engine, "a")
    with engine.begin() as connection:
        [due] = queue.queue_due(connection, Lane.BULK, 10)
    with engine.begin() as writing:
        submit(writing, [photo("b")], name="t", source="s", options=BatchOptions(max_calls=None))
        # Limits count with the options in `source`; those without are the same source.
        assert call(impatient(engine), due.id, Tariff(Decimal("0.02"), 100)) is not None


def test_a_cancelled_photo_that_is_handed_in_again_goes_on_in_its_batch(engine: Engine) -> None:
    hand_in(engine, "a", "b", "c")
    with engine.begin() as connection:
        dead = text("UPDATE jobs SET state = 'dead', code = '801', finished_at = now() WHERE id = 1")
        connection.execute(dead)
        cancels.cancel(connection, 1)
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, 1)
    assert hand_in(engine, "a", "b", "d") == Intake(1, 2, True)
    assert [state_of(engine, job_id) for job_id in (1, 2, 3)] == ["pending", "pending", "cancelled"]


@pytest.mark.parametrize(("names", "at_once"), [("abcdefgh", 3), ("abcdefg", 7)])
def test_many_cancelled_photos_that_are_all_handed_in_again_go_on_bit_by_bit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, names: str, at_once: int
) -> None:
    monkeypatch.setattr(requeues, "AT_ONCE", 3)
    hand_in(engine, *"abcdefgh")
    with engine.begin() as connection:
        put(connection, "dead", "id = 1")
    with engine.begin() as connection:
        cancels.cancel(connection, 1)
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, 1)
    # Of seven that were cancelled, all or all but the last.
    again = hand_in(engine, *names)
    assert (again.batch_id, again.added) == (1, len(names) - 1)
    waiting = text("SELECT count(*) FROM jobs WHERE state = 'pending' AND id > 1")
    with engine.begin() as connection:
        assert connection.execute(waiting).scalar_one() == min(at_once, len(names) - 1)
    for _ in range(3):
        with engine.begin() as connection:
            requeues.go_on(connection)
    with engine.begin() as connection:
        assert connection.execute(waiting).scalar_one() == len(names) - 1


@pytest.mark.parametrize("state", ["active", "finished"])
def test_only_the_batch_of_the_same_source_is_finished_for_it(engine: Engine, state: str) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        ended = text("UPDATE jobs SET state = 'dead', code = '801', finished_at = now()")
        connection.execute(ended)
        if state == "finished":
            assert batches.finish_settled(connection) == [1]
    hand_in(engine, "a")
    with engine.begin() as connection:
        connection.execute(ended)
    assert hand_in(engine, "a") == Intake(3, 1, False)
    with engine.connect() as connection:
        found = list(connection.execute(text("SELECT state FROM batches ORDER BY id")).scalars())
    assert found == [state, "finished", "active"]
