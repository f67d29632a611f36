"""Transactions: what is tried again, and what is not."""

import threading
from typing import cast

import pytest
from sqlalchemy import Connection, Engine, QueuePool, event, make_url, text
from sqlalchemy.exc import ProgrammingError

from core.errors import DatabaseBusy, DatabaseDown
from db.migrate import upgrade
from db.session import make_engine, open_all, transact
from tests.db.rows import make_batch


def test_two_that_wait_for_each_other_both_come_through(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was ended lets the other come through first, however late that one wakes."""
    ids = make_batch(engine, 2)
    meet = threading.Barrier(2, timeout=60)
    done = threading.Event()
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
        done.set()

    def rest(_: float) -> None:
        assert done.wait(60)

    monkeypatch.setattr("db.session._sleep", rest)
    other = threading.Thread(target=lock, args=(ids[1], ids[0]))
    other.start()
    lock(*ids)
    other.join(60)
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


def test_a_server_without_an_encoding_still_gives_text(postgres_url: str) -> None:
    admin = make_engine(postgres_url, pooled=False).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(
            "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
        )
    url = make_url(postgres_url).set(database="ascii").render_as_string(hide_password=False)
    upgrade(url)
    with make_engine(url, pooled=False).connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one().isdigit()
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE ascii WITH (FORCE)")


@pytest.mark.parametrize("size", [1, 3])
def test_all_connections_are_opened_and_none_is_waited_for(database_url: str, size: int) -> None:
    engine = make_engine(database_url, pool_size=size, is_strict=True)
    pool = cast(QueuePool, engine.pool)
    held = []
    event.listen(engine, "checkout", lambda *_: held.append(pool.checkedout()))
    assert open_all(engine) == size
    assert held == list(range(1, size + 1))
    assert (pool.checkedin(), pool.checkedout()) == (size, 0)
    engine.dispose()


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_a_statement_that_takes_too_long_is_no_outage_and_not_repeated(engine: Engine, setting: str) -> None:
    job = make_batch(engine, 1)[0]
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(text(f"SET LOCAL {setting} = 50"))
        connection.execute(text("UPDATE jobs SET snoozes = 1 WHERE id = :id"), {"id": job})

    with engine.begin() as other:
        other.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": job})
        with pytest.raises(DatabaseBusy, match="answers, but took too long"):
            transact(engine, work, patience_seconds=60)
    assert tries == [1]


def test_what_must_be_written_waits_for_whoever_keeps_its_row(engine: Engine) -> None:
    job = make_batch(engine, 1)[0]
    tries: list[int] = []

    with engine.connect() as other:
        other.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": job})

        def work(connection: Connection) -> None:
            tries.append(1)
            if len(tries) == 2:
                other.rollback()
            connection.execute(text("SET LOCAL lock_timeout = 50"))
            connection.execute(text("UPDATE jobs SET snoozes = 1 WHERE id = :id"), {"id": job})

        transact(engine, work, patience_seconds=60, repeats_busy=True)
    assert tries == [1, 1]


@pytest.mark.parametrize("sqlstate", ["08006", "53300", "57P01", "57P02", "57P03", "25006"])
def test_a_server_that_is_away_full_or_only_reads_is_an_outage(engine: Engine, sqlstate: str) -> None:
    with pytest.raises(DatabaseDown, match=r"cannot be reached|only reads") as caught:
        transact(
            engine,
            lambda connection: connection.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION 'away' USING ERRCODE = '{sqlstate}'; END $$")
            ),
        )
    assert not isinstance(caught.value, DatabaseBusy)


def test_a_server_that_only_reads_is_left_for_whoever_writes_now(engine: Engine) -> None:
    """Its sessions may live on where they are, while the name leads to another."""

    def pid(connection: Connection) -> int:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

    def write(connection: Connection) -> None:
        connection.execute(text("SET LOCAL transaction_read_only = on"))
        connection.execute(text("UPDATE jobs SET snoozes = 0"))

    before = transact(engine, pid)
    assert transact(engine, pid) == before
    with pytest.raises(DatabaseDown, match="only reads"):
        transact(engine, write)
    assert transact(engine, pid) != before
