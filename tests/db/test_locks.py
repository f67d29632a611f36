"""Advisory locks: one kind never waits for another."""

from pathlib import Path

from sqlalchemy import Connection, Engine, text

import db
from db import budgets, idempotency, locks, sweeping
from db.locks import Duty, Space


def _wait_at_most_a_second(connection: Connection) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '1s'"))


def test_a_request_does_not_hold_up_the_batch_that_its_key_and_token_look_like(engine: Engine) -> None:
    with engine.begin() as one, engine.begin() as other:
        idempotency.find(one, 12, "42")
        _wait_at_most_a_second(other)
        budgets.hold_limits(other, 42)
        other.execute(text("SELECT 1"))


def test_a_sweep_does_not_hold_up_the_batch_that_a_place_is_named_like(engine: Engine) -> None:
    with engine.begin() as one, engine.begin() as other:
        sweeping.open_tombstone(one, "42")
        _wait_at_most_a_second(other)
        budgets.hold_limits(other, 42)


def test_requests_are_told_apart_by_token_and_key(engine: Engine) -> None:
    with engine.begin() as one, engine.begin() as other:
        idempotency.find(one, 1, "2 a")
        _wait_at_most_a_second(other)
        idempotency.find(other, 12, "a")
        idempotency.find(other, 1, "a")


def test_one_name_is_another_lock_in_each_space(engine: Engine) -> None:
    assert not {space.value for space in Space} & {duty.value for duty in Duty}
    with engine.begin() as connection:
        for space in sorted(Space, key=locks.ORDER.index):
            locks.hold(connection, space, "42")
        assert all(locks.try_duty(connection, duty) for duty in Duty)
        held = text(
            "SELECT count(DISTINCT (classid, objid)) FROM pg_locks WHERE locktype = 'advisory' "
            "AND pid = pg_backend_pid()"
        )
        assert connection.execute(held).scalar_one() == len(Space) + len(Duty)


def test_a_lock_by_name_is_the_hash_seeded_with_its_space(engine: Engine) -> None:
    with engine.begin() as one, engine.begin() as other:
        locks.hold(one, Space.PLACE, "a")
        taken = text("SELECT pg_try_advisory_xact_lock_shared(hashtextextended('a', :space))")
        assert not other.execute(taken, {"space": Space.PLACE.value}).scalar_one()
        locks.share(other, Space.PLACE, "c")


def test_no_other_module_takes_advisory_locks() -> None:
    home = Path(db.__file__).parent
    rooms = [home.parent / room for room in ("db", "producer", "worker", "quote", "console", "cli", "core", "removal")]
    found = {
        str(path.relative_to(home.parent))
        for room in rooms
        for path in room.rglob("*.py")
        if "advisory_" in path.read_text()
    }
    assert found == {"db/locks.py", "db/functions.py"}
