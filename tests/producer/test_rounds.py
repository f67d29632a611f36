"""Duties beside the dispatcher are woken when something is due, and ask for nothing themselves until then."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.errors import DatabaseDown
from db import chores, lookups
from db.chores import Chores
from db.session import make_engine
from producer import rounds
from producer.dispatcher import Dispatcher
from producer.publisher import Publisher
from producer.rounds import Bell, run_rounds
from tests.db.rows import make_batch
from tests.db.sent import statements
from tests.producer.running import DECIDE_LOST, OPTIONS, Running, leaders, wait_for

QUIET = Chores(has_work=False, has_live=False, has_rest=False, has_changes=False, has_paused=False)


@pytest.fixture
def bell(database_url: str) -> Iterator[Bell]:
    engine = make_engine(database_url, pool_size=1, is_strict=True, is_by_key=True)
    yield Bell(engine)
    engine.dispose()


class CountedStop(threading.Event):
    """Is set after some rests, of which it keeps how long they were to be."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self.rests: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.rests.append(timeout)
        if len(self.rests) == self._most:
            self.set()
        return self.is_set()


def ask_for_photos(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO connections (slug, platform, shop, secrets, options) "
                "VALUES ('c', 'bigcommerce', 's', '{x}', '{}')"
            )
        )
        lookups.note(connection, 1, "77")


def test_all_that_is_due_is_asked_for_with_one_statement_a_second(bell: Bell) -> None:
    assert rounds.IDLE_SECONDS == 1.0
    stop = CountedStop(3)
    with statements(bell._engine) as sent:
        bell.run(stop)
    assert len(sent) == len(stop.rests) == 3
    assert set(stop.rests) == {rounds.IDLE_SECONDS}


def test_only_who_has_something_to_do_is_woken(bell: Bell, engine: Engine) -> None:
    make_batch(engine, 1)
    ask_for_photos(engine)
    bell.ask()
    bell.wait("lookups")
    assert not any(ring.is_set() for ring in bell._rings.values())


def test_who_waits_ends_with_the_process(bell: Bell) -> None:
    stop, asked = threading.Event(), threading.Event()

    def work() -> int:
        asked.set()
        return 0

    threads = [
        threading.Thread(
            target=run_rounds, args=(stop, work), kwargs={"full": 1, "wait": lambda: bell.wait("callbacks")}
        ),
        threading.Thread(target=bell.run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    assert asked.wait(60)
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("error", [DatabaseDown("away"), RuntimeError("unforeseen")])
def test_an_outage_silences_the_bell_only_while_it_lasts(
    bell: Bell, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ask_for_photos(engine)
    find, asked = chores.find_errands, iter([True, False])

    def fail_first(connection: Any) -> object:
        if next(asked):
            raise error
        return find(connection)

    monkeypatch.setattr(chores, "find_errands", fail_first)
    bell.run(CountedStop(1))
    ring = bell._rings["lookups"]
    ring.clear()
    bell.run(CountedStop(1))
    assert ring.is_set()


def test_a_leader_with_nothing_to_do_asks_nobody(engine: Engine, publisher: Publisher) -> None:
    looked: list[bool] = []
    dispatcher = Dispatcher(engine, publisher, OPTIONS, DECIDE_LOST, lambda: looked.append(True))
    dispatcher.tick(QUIET)
    with statements(engine) as sent:
        # Within what they rest for: what was called is summed up every five seconds, and looked back upon.
        dispatcher._next_look = dispatcher._next_summing = dispatcher._next_clearing = float("inf")
        dispatcher._next_forgetting = float("inf")
        for _ in range(3):
            dispatcher._next_patrol = 0.0
            dispatcher.tick(QUIET)
    assert sent == []
    assert looked == [True]


def test_what_there_is_to_do_without_an_active_batch_is_done(database_url: str, redis_url: str, engine: Engine) -> None:
    make_batch(engine, 3)
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET state = 'paused', pause_reason = 'budget', max_calls = 0"))
    running = Running(database_url, redis_url)
    running.start()
    wait_for(lambda: leaders(engine) == 1)

    def count(sql: str) -> int:
        with engine.connect() as connection:
            return int(connection.execute(text(sql)).scalar_one())

    wait_for(lambda: count("SELECT count(*) FROM batch_count_changes") == 0)
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET max_calls = NULL"))
    wait_for(lambda: count("SELECT count(*) FROM batches WHERE state = 'active'") == 1)
    running.end()
