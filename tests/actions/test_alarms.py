"""Alarms that somebody acknowledges, on a real database."""

import pytest
from sqlalchemy import Engine, text

from actions import alarms
from actions.levels import Standing
from actions.status import find_standing
from core.errors import NotFound, Refused
from core.settings import Settings
from db import acknowledgements, batches
from db.session import transact
from tests.db.rows import make_batch, put

SETTINGS = Settings(_env_file=None)


def stand(engine: Engine) -> Standing:
    return transact(engine, lambda connection: find_standing(connection, SETTINGS))


def pause(engine: Engine, batch_id: int) -> None:
    with engine.begin() as connection:
        assert batches.pause(connection, batch_id, "hand")


def acknowledge(engine: Engine, name: str, hours: float | None = None) -> acknowledgements.Acknowledgement:
    return transact(engine, lambda c: alarms.acknowledge(c, "ann", name, SETTINGS, hours=hours))


def test_a_batch_that_is_paused_after_that_is_told_aloud(engine: Engine) -> None:
    make_batch(engine, 2)
    make_batch(engine, 2)
    with engine.begin() as connection:
        put(connection, "succeeded", "batch_id = 2")
    pause(engine, 1)
    told = stand(engine)
    assert (told.name, told.what, told.place) == ("paused", "1 batch is paused by hand.", "/batches/1")
    assert told.since is not None
    assert str(acknowledge(engine, "paused")) == "acknowledged by ann until it changes"
    assert stand(engine).acknowledged is not None
    pause(engine, 2)
    assert stand(engine).acknowledged is None
    acknowledge(engine, "paused")
    # What goes on, and is paused again, is a new alarm.
    with engine.begin() as connection:
        batches.resume(connection, 2)
    assert stand(engine).acknowledged is not None
    pause(engine, 2)
    assert stand(engine).acknowledged is None


def test_it_is_quiet_for_no_longer_than_was_said(engine: Engine) -> None:
    make_batch(engine, 1)
    pause(engine, 1)
    acknowledge(engine, "paused", 2)
    assert stand(engine).acknowledged is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE acknowledgements SET until = until - interval '2 hours'"))
    assert stand(engine).acknowledged is None


def test_what_may_be_another_one_by_then_is_quiet_for_an_hour(engine: Engine) -> None:
    make_batch(engine, 1)
    known = acknowledge(engine, "no-worker")
    assert (known.covers, known.until is not None) == (None, True)


def test_only_what_is_the_case_is_acknowledged(engine: Engine) -> None:
    with pytest.raises(NotFound, match=r"There is no alarm 'paused' at present. Alarms: none."):
        acknowledge(engine, "paused")
    with pytest.raises(Refused, match="up to 168 hours"):
        acknowledge(engine, "paused", 1000)
    with pytest.raises(NotFound, match="Nobody has acknowledged"):
        transact(engine, lambda connection: alarms.raise_again(connection, "ann", "paused"))
    with pytest.raises(Refused, match="called as usual"):
        transact(engine, lambda connection: alarms.ask_now(connection, "ann", SETTINGS))
