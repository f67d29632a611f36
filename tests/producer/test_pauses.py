"""How long a dispatcher rests between two rounds."""

import pytest
from sqlalchemy import Engine, text

from db import cancels
from producer import dispatcher as dispatching
from tests.db.rows import make_batch, state_of
from tests.producer.running import Running, leaders, wait_for

FOR_GOOD = 3600.0


def test_one_with_nothing_to_do_is_woken_by_a_batch(
    database_url: str, redis_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "IDLE_TICK_SECONDS", FOR_GOOD)
    running = Running(database_url, redis_url)
    running.start()
    wait_for(lambda: leaders(engine) == 1)
    (job_id,) = make_batch(engine, 1)
    wait_for(lambda: state_of(engine, job_id) == "queued")
    running.end()


def test_one_that_is_behind_rests_only_a_moment(
    database_url: str, redis_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "IDLE_TICK_SECONDS", FOR_GOOD)
    monkeypatch.setattr(cancels, "AT_ONCE", 1)
    make_batch(engine, 5)
    with engine.begin() as connection:
        cancels.cancel(connection, 1)
    running = Running(database_url, redis_url)
    running.start()

    def is_written() -> bool:
        with engine.connect() as connection:
            left = connection.execute(text("SELECT count(*) FROM jobs WHERE state <> 'cancelled'"))
            return int(left.scalar_one()) == 0

    wait_for(is_written)
    running.stop()
    # Or it rests for good.
    make_batch(engine, 1)
    running.end()
