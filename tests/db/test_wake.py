"""Who waits for work is told of it."""

import select

import pytest
from sqlalchemy import Engine

from db import batches, wake
from db.session import transact
from tests.db.rows import make_batch

LONG_SECONDS = 60.0
SHORT_SECONDS = 0.05


def test_a_batch_that_becomes_active_wakes_who_waits(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wake.listen(connection)
        assert not wake.wait_for_work(connection, SHORT_SECONDS)
        make_batch(engine, 1)
        assert wake.wait_for_work(connection, LONG_SECONDS)
        transact(engine, lambda other: batches.pause(other, 1, "by hand"))
        assert not wake.wait_for_work(connection, SHORT_SECONDS)
        transact(engine, lambda other: batches.resume(other, 1))
        assert wake.wait_for_work(connection, LONG_SECONDS)


def test_who_cannot_be_told_waits_for_nobody(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wake.listen(connection)
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.close()
        assert not wake.wait_for_work(connection, LONG_SECONDS)
        connection.invalidate()


class CountedPoll:
    """Waits as the system does, and keeps for how long it was asked to."""

    waits: list[float]

    def __init__(self) -> None:
        self._real = select.poll()

    def register(self, fd: int, events: int) -> None:
        self._real.register(fd, events)

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        self.waits.append(milliseconds)
        return self._real.poll(milliseconds)


def test_who_waits_sleeps_until_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wake.listen(connection)
        CountedPoll.waits = []
        monkeypatch.setattr(wake, "make_poll", CountedPoll)
        assert not wake.wait_for_work(connection, SHORT_SECONDS)
        assert CountedPoll.waits == [SHORT_SECONDS * 1000]


def test_what_was_told_with_an_answer_is_not_waited_for(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wake.listen(connection)
        make_batch(engine, 1)
        connection.exec_driver_sql("SELECT 1")
        assert wake.wait_for_work(connection, LONG_SECONDS)
        assert not wake.wait_for_work(connection, SHORT_SECONDS)
