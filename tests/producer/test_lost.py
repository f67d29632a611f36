"""Lost messages are found, and nothing is taken for lost that is there, or that a worker has."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis import Redis
from sqlalchemy import Engine, text

from core.queues import KEY_PREFIX, UNACKED_INDEX_KEY, UNACKED_KEY
from core.states import Lane
from db import jobs, queue
from producer.lost import LostMessages
from producer.publisher import Publisher
from tests.db.rows import make_batch, state_of
from tests.worker.running import RunningWorker, running_worker
from worker import taken_messages

HELD_UP_SECONDS = 8.0
LOOK_SECONDS = 0.25
BULK = KEY_PREFIX + Lane.BULK.value


@pytest.fixture
def lost(engine: Engine, publisher: Publisher) -> LostMessages:
    return LostMessages(engine, publisher)


def dispatch(engine: Engine, publisher: Publisher, count: int) -> list[int]:
    """Publish jobs, so long ago that they would count as lost if their messages were."""
    ids = make_batch(engine, count)
    with engine.begin() as connection:
        due = queue.queue_due(connection, Lane.BULK, count)
        connection.execute(text("UPDATE queued_jobs SET queued_at = now() - interval '1 minute'"))
    publisher.publish([(job.id, job.dispatch) for job in due], Lane.BULK)
    return ids


def waiting(publisher: Publisher) -> set[int]:
    return {job_id for job_id, _ in publisher.list_waiting()}


def count_lost() -> float:
    return REGISTRY.get_sample_value("cleanplate_lost_messages_total") or 0.0


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    pause, left = threading.Event(), seconds
    while not condition():
        left -= 0.05
        assert left > 0, "this did not come true in time"
        pause.wait(0.05)


def look(lost: LostMessages, seconds: float) -> None:
    """Look again and again for so long."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < end:
        lost.take_back()
        pause.wait(LOOK_SECONDS)


def look_until(lost: LostMessages, condition: Callable[[], bool], seconds: float = 120) -> None:
    """Look again and again until something comes true."""
    for _ in range(round(seconds / LOOK_SECONDS)):
        look(lost, LOOK_SECONDS)
        if condition():
            return
    raise AssertionError(f"not within {seconds} s")


@contextmanager
def locked(engine: Engine, job_ids: list[int]) -> Iterator[dict[int, Callable[[], None]]]:
    """Lock each job's row in a transaction of its own, and give what ends each."""
    with ExitStack() as stack:
        ends = {}
        for job_id in job_ids:
            connection = stack.enter_context(engine.connect())
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            connection.execute(text("SELECT id FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
            ends[job_id] = connection.rollback
        yield ends


@contextmanager
def claiming(
    engine: Engine, database_url: str, redis_url: str, publisher: Publisher, job_ids: list[int], concurrency: int
) -> Iterator[tuple[RunningWorker, dict[int, Callable[[], None]]]]:
    """A worker that has taken as many messages as it has threads, and cannot claim their jobs."""
    with (
        locked(engine, job_ids) as ends,
        running_worker(database_url, redis_url, concurrency) as worker,
    ):
        worker.lines_until_ready()
        wait_for(lambda: len(publisher.list_held()) == min(concurrency, len(job_ids)))
        yield worker, ends


def dispatches(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT dispatch FROM jobs ORDER BY id")).scalars())


def test_what_a_worker_claims_slowly_is_not_taken_back(
    engine: Engine,
    database_url: str,
    redis_url: str,
    publisher: Publisher,
    lost: LostMessages,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ids, before = dispatch(engine, publisher, 3), count_lost()
    with engine.connect() as connection:
        messages = list(connection.execute(text("SELECT dispatch FROM queued_jobs ORDER BY job_id")).scalars())
    with claiming(engine, database_url, redis_url, publisher, ids, 8) as (_, ends):
        assert waiting(publisher) == set()
        look(lost, HELD_UP_SECONDS)
        assert [state_of(engine, job_id) for job_id in ids] == ["queued"] * 3
        for end in ends.values():
            end()
        wait_for(lambda: all(state_of(engine, job_id) == "dead" for job_id in ids))
    assert dispatches(engine) == messages
    assert count_lost() == before
    assert caplog.messages == []


def test_a_wiped_redis_loses_what_waits_and_not_what_a_worker_has(
    engine: Engine,
    database_url: str,
    redis_url: str,
    redis_client: Redis,
    publisher: Publisher,
    lost: LostMessages,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ids, before = dispatch(engine, publisher, 3), count_lost()
    with claiming(engine, database_url, redis_url, publisher, ids, 1) as (_, ends):
        [held] = publisher.list_held()
        others = set(ids) - {held}
        assert waiting(publisher) == others
        for job_id in others:
            ends[job_id]()
        redis_client.flushall()
        look_until(lost, lambda: all(state_of(engine, job_id) == "pending" for job_id in others))
        look(lost, HELD_UP_SECONDS)
        assert state_of(engine, held) == "queued"
    assert count_lost() == before + 2
    said = "2 messages are gone from Redis and 0 with the workers that had taken them; their jobs are due again"
    assert caplog.messages == [said]


def test_what_a_killed_worker_had_taken_is_sent_again_soon(
    engine: Engine,
    database_url: str,
    redis_url: str,
    publisher: Publisher,
    lost: LostMessages,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ids, before = dispatch(engine, publisher, 3), count_lost()
    with claiming(engine, database_url, redis_url, publisher, ids, 2) as (worker, ends):
        held = publisher.list_held()
        worker.kill()
        for end in ends.values():
            end()
        look_until(lost, lambda: all(state_of(engine, job_id) == "pending" for job_id in held))
        # They lie where the broker's client left them, and will for an hour.
        assert {job_id for job_id, _ in publisher.list_taken()} == held
        assert publisher.list_held() == set()
    assert waiting(publisher) == set(ids) - held
    assert count_lost() == before + 2
    said = "0 messages are gone from Redis and 2 with the workers that had taken them; their jobs are due again"
    assert caplog.messages == [said]


def test_a_worker_that_stops_says_that_it_holds_nothing(
    database_url: str, redis_url: str, redis_client: Redis, publisher: Publisher
) -> None:
    with running_worker(database_url, redis_url, 1) as worker:
        worker.lines_until_ready()
        worker.process.terminate()
        assert worker.process.wait(30) == 0
        assert redis_client.keys("cleanplate:held*") == []
    assert publisher.list_held() == set()


def test_a_worker_says_what_it_holds_and_then_once_that_it_holds_nothing(
    redis_url: str, redis_client: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken_messages.TELL_SECONDS == 0.5
    monkeypatch.setattr(taken_messages, "TELL_SECONDS", 0.01)
    claimed: list[int] = []
    looks: list[int] = []

    def claiming() -> list[int]:
        looks.append(1)
        return claimed[:]

    def told() -> int:
        found: Any = redis_client.info("commandstats")
        return sum(int(found.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("set", "sadd"))

    def look_again() -> None:
        before = len(looks)
        wait_for(lambda: len(looks) >= before + 5)

    with taken_messages.telling_what_is_held(redis_url, "w", claiming):
        look_again()
        before = told()
        assert redis_client.keys("cleanplate:held*") == []
        claimed.append(7)
        wait_for(lambda: publisher.list_held() == {7})
        look_again()
        assert told() > before + 4
        claimed.clear()
        wait_for(lambda: publisher.list_held() == set())
        look_again()
        before = told()
        look_again()
        assert told() == before
        claimed.append(8)
        wait_for(lambda: publisher.list_held() == {8})
    assert redis_client.keys("cleanplate:held*") == []


def test_a_message_on_its_way_is_missing_once_and_not_lost(
    engine: Engine, redis_client: Redis, publisher: Publisher, lost: LostMessages
) -> None:
    [job_id] = dispatch(engine, publisher, 1)
    for _ in range(3):
        message = redis_client.rpop(BULK)
        assert isinstance(message, bytes)
        lost.take_back()
        redis_client.rpush(BULK, message)
        lost.take_back()
    assert state_of(engine, job_id) == "queued"
    redis_client.delete(BULK)
    lost.take_back()
    assert state_of(engine, job_id) == "queued"
    lost.take_back()
    assert state_of(engine, job_id) == "pending"


def test_what_was_missing_before_the_lead_or_an_outage_says_nothing(
    engine: Engine, redis_client: Redis, publisher: Publisher, lost: LostMessages
) -> None:
    [job_id] = dispatch(engine, publisher, 1)
    redis_client.delete(BULK)
    lost.take_back()
    lost.forget()
    lost.take_back()
    assert state_of(engine, job_id) == "queued"


def test_a_message_that_was_just_taken_is_given_time_to_be_told_of(
    engine: Engine, redis_client: Redis, publisher: Publisher, lost: LostMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("producer.lost.time.monotonic", lambda: now[0])
    [job_id] = dispatch(engine, publisher, 1)
    message = redis_client.rpop(BULK)
    assert isinstance(message, bytes)
    redis_client.hset(KEY_PREFIX + "unacked", "tag", json.dumps([json.loads(message), "", "bulk"]))
    for now[0] in (100.0, 101.0, 102.9):
        lost.take_back()
        assert state_of(engine, job_id) == "queued"
    now[0] = 103.0
    lost.take_back()
    assert state_of(engine, job_id) == "pending"


def test_what_a_killed_worker_had_taken_leaves_redis_once_it_is_dealt_with(
    engine: Engine, redis_client: Redis, publisher: Publisher, lost: LostMessages
) -> None:
    sent_again, waits, runs, ended = dispatch(engine, publisher, 4)
    sent = dict(publisher.list_waiting())
    take_all(redis_client)
    with engine.begin() as connection:
        assert queue.unqueue(connection, [(sent_again, sent[sent_again])])
        queue.queue_due(connection, Lane.BULK, 1)
    with engine.begin() as connection:
        jobs.claim(connection, runs, worker="w", lease_seconds=30)
    with engine.begin() as connection:
        job = jobs.claim(connection, ended, worker="w", lease_seconds=30)
        assert job is not None
        jobs.stop(connection, job, state="dead", code="703", message="", spent=0)
    lost.clear_taken()
    assert {job_id for job_id, _ in publisher.list_taken()} == {sent_again, waits, runs, ended}
    lost.clear_taken()
    assert {job_id for job_id, _ in publisher.list_taken()} == {waits, runs}
    assert redis_client.zcard(UNACKED_INDEX_KEY) == 2


def take_all(client: Redis) -> None:
    """Take all messages as a worker would that is killed then."""
    for number in range(client.llen(BULK)):
        message = client.rpop(BULK)
        assert isinstance(message, bytes)
        client.hset(UNACKED_KEY, f"tag{number}", json.dumps([json.loads(message), "", Lane.BULK.value]))
        client.zadd(UNACKED_INDEX_KEY, {f"tag{number}": time.time()})
