"""Transactions: what is tried again, and what is not."""

import threading

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from db.session import transact
from tests.db.rows import make_batch


def test_two_that_wait_for_each_other_both_come_through(engine: Engine) -> None:
    ids = make_batch(engine, 2)
    meet = threading.Barrier(2, timeout=10)
    tries: list[int] = []

    def lock(first: int, second: int) -> None:
        tried = []

        def work(connection: Connection) -> None:
            tried.append(1)
            tries.append(1)
            statement = text("UPDATE jobs SET snoozes = snoozes + 1 WHERE id = :id")
            connection.execute(statement, {"id": first})
            if len(tried) == 1:
                meet.wait()
            connection.execute(statement, {"id": second})

        transact(engine, work)

    other = threading.Thread(target=lock, args=(ids[1], ids[0]))
    other.start()
    lock(*ids)
    other.join(20)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT sum(snoozes) FROM jobs")).scalar_one() == 4
    assert len(tries) == 3


def test_what_is_wrong_with_a_statement_is_not_tried_again(engine: Engine) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(text("SELECT nothing"))

    with pytest.raises(ProgrammingError):
        transact(engine, work, patience_seconds=5)
    assert tries == [1]
