"""The dispatcher notices that the database went back to a backup before it dispatches anything."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from core.errors import RedisDown, UsageError
from core.settings import Settings
from db import restores
from producer import restored
from producer.dispatcher import Dispatcher, DispatcherOptions
from producer.main import run_dispatcher
from producer.publisher import Publisher
from producer.restored import notice_restore
from removal.limiter import Limiter
from removal.limiter import memos as limiter_memos
from removal.limiter.memos import CallMemory, memo_of
from tests.db.rows import ACCOUNT, RULES, make_batch, state_of
from worker.policy import decide_lost

DECIDE_LOST = partial(decide_lost, rules=RULES)
OPTIONS = DispatcherOptions(ACCOUNT, rate=5, lease_seconds=30)
SETTINGS = Settings(_env_file=None)


@pytest.fixture
def memory(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[CallMemory]:
    monkeypatch.setattr(limiter_memos, "SETTLED_SECONDS", -60.0)
    found = CallMemory(redis_url, ACCOUNT)
    yield found
    found.close()


def call_for(engine: Engine, redis_url: str, attempt_id: int, job_id: int) -> None:
    with engine.connect() as connection:
        home = restores.home(connection)
    with Redis.from_url(redis_url) as client:
        limiter = Limiter(client, ACCOUNT, 50)
        limiter.wait_until_due(limiter.reserve(), cancelled=lambda: False, memo=memo_of(attempt_id, job_id, home))


def test_what_was_called_for_since_the_backup_is_held_before_anything_is_dispatched(
    engine: Engine, publisher: Publisher, redis_url: str, memory: CallMemory
) -> None:
    called, waiting = make_batch(engine, 2)
    call_for(engine, redis_url, 41, called)
    Dispatcher(engine, publisher, OPTIONS, DECIDE_LOST, partial(notice_restore, engine, memory, SETTINGS)).tick()
    assert [state_of(engine, each) for each in (called, waiting)] == ["held", "queued"]
    assert {job_id for job_id, _ in publisher.list_waiting()} == {waiting}
    assert notice_restore(engine, memory, SETTINGS) is None


def test_the_last_calls_of_which_redis_says_nothing_yet_are_waited_for(
    engine: Engine, redis_url: str, memory: CallMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limiter_memos, "SETTLED_SECONDS", 2.0)
    monkeypatch.setattr(restored, "CLOCKS_SECONDS", 0.0)
    first, last = make_batch(engine, 2)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET created_at = now() - interval '1 day'"))
        home = restores.home(connection)
    call_for(engine, redis_url, 41, first)
    deadline = time.monotonic() + 60
    while memory.newest_attempt(home) != 41:
        assert time.monotonic() < deadline
    call_for(engine, redis_url, 42, last)
    assert memory.newest_attempt(home) == 41
    found = notice_restore(engine, memory, SETTINGS)
    assert found is not None
    assert found.held == 2
    assert [state_of(engine, each) for each in (first, last)] == ["held", "held"]


def test_nobody_waits_for_a_clock_that_was_set_back(
    engine: Engine, memory: CallMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limiter_memos, "SETTLED_SECONDS", 3.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"waited for {seconds} s"))
    with engine.begin() as connection:
        restores.note(connection, [], price=SETTINGS.removal_price, is_told=True)
        connection.execute(text("UPDATE restores SET noticed_at = now() + interval '1 hour'"))
    assert notice_restore(engine, memory, SETTINGS) is None


def test_nothing_is_dispatched_while_redis_does_not_say(engine: Engine, publisher: Publisher) -> None:
    [waiting] = make_batch(engine, 1)
    away = CallMemory("redis://127.0.0.1:1", ACCOUNT)
    dispatcher = Dispatcher(engine, publisher, OPTIONS, DECIDE_LOST, partial(notice_restore, engine, away, SETTINGS))
    for _ in range(2):
        with pytest.raises(RedisDown):
            dispatcher.tick()
    assert state_of(engine, waiting) == "pending"
    away.close()


def test_a_dispatcher_does_not_run_on_an_older_schema(engine: Engine, database_url: str, redis_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0022'"))
    settings = Settings(_env_file=None, database_url=database_url, redis_url=redis_url)
    with pytest.raises(UsageError, match="cleanplate db upgrade"):
        run_dispatcher(settings, threading.Event(), DECIDE_LOST)
