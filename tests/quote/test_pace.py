"""How fast it goes and how long it takes: reckoned once, rounded up, and told only while something moves."""

import pytest
from sqlalchemy import Connection, Engine, text

from core.settings import Settings
from db import circuits, processes
from quote.pace import about, moves, pace, seconds_for, seconds_left

SETTINGS = Settings(_env_file=None, removal_rate=5)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (59, "59 s"),
        (119.2, "2 min"),
        (121, "3 min"),
        (7384, "2 h 4 min"),
        (260_000, "3.1 days"),
    ],
)
def test_a_time_that_is_reckoned_is_rounded_up(seconds: float, told: str) -> None:
    assert about(seconds) == told


def test_calls_take_whole_seconds() -> None:
    assert [seconds_for(calls, 5.0) for calls in (0, 1, 5, 6)] == [0, 1, 1, 2]


def stretches(connection: Connection, *calls: int) -> None:
    """Write down calls of the last whole stretches, newest first."""
    for number, each in enumerate(calls):
        connection.execute(
            text(
                "INSERT INTO call_rates (at, calls, throttled, failed) "
                "VALUES (now() - make_interval(secs => :ago), :calls, 0, 0)"
            ),
            {"ago": 11 + 10 * number, "calls": each},
        )


@pytest.mark.parametrize(("calls", "rate"), [((), 5), ((14,), 5), ((20, 20, 30), 3)])
def test_a_few_photos_say_nothing_of_the_pace(engine: Engine, calls: tuple[int, ...], rate: float) -> None:
    with engine.begin() as connection:
        stretches(connection, *calls)
        assert pace(connection, SETTINGS) == rate


def test_nothing_moves_without_a_worker_a_dispatcher_and_an_account(engine: Engine) -> None:
    with engine.begin() as connection:
        assert not moves(connection, SETTINGS)
        processes.beat(connection, "w", "worker")
        assert not moves(connection, SETTINGS)
        processes.beat(connection, "d", "dispatcher")
        assert moves(connection, SETTINGS)
        connection.execute(text("UPDATE processes SET seen_at = now() - interval '1 hour' WHERE role = 'worker'"))
        assert not moves(connection, SETTINGS)
        processes.beat(connection, "w", "worker")
    with engine.begin() as connection:
        circuits.trip(connection, SETTINGS.account, reason="account", code="InvalidAppKey", message="no")
        assert not moves(connection, SETTINGS)


@pytest.mark.parametrize(
    ("state", "unsettled", "rate", "left"),
    [("active", 7, 5.0, 2), ("active", 7, None, None), ("paused", 7, 5.0, None), ("active", 0, 5.0, None)],
)
def test_no_time_is_left_while_nothing_moves(state: str, unsettled: int, rate: float | None, left: int | None) -> None:
    assert seconds_left(state, unsettled, rate) == left
