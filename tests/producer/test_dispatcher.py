"""The dispatcher on a real broker and a real database."""

import threading
from dataclasses import replace
from functools import partial

import pytest
import structlog
from prometheus_client import REGISTRY
from redis import Redis
from sqlalchemy import Connection, Engine, text
from structlog.testing import capture_logs

from core.errors import DatabaseBusy
from core.states import Lane
from db import batches, circuits, processes, queue, session
from db.chores import Chores
from db.session import make_engine
from producer import dispatcher as dispatching
from producer import lost
from producer.dispatcher import Dispatcher, DispatcherOptions
from producer.publisher import Publisher
from producer.window import window_size
from tests.db.rows import ACCOUNT, HOLD, call, claim, make_batch, put, state_of
from tests.producer.running import DECIDE_LOST, OPTIONS, Running, leaders, wait_for
from worker.policy import decide_lost

QUIET = Chores(has_work=False, has_live=False, has_rest=False, has_changes=False, has_paused=False)


@pytest.fixture
def dispatcher(engine: Engine, publisher: Publisher) -> Dispatcher:
    return Dispatcher(engine, publisher, OPTIONS, DECIDE_LOST)


def waiting(publisher: Publisher) -> set[int]:
    return {job_id for job_id, _ in publisher.list_waiting()}


def test_no_more_than_the_window_goes_into_redis(engine: Engine, publisher: Publisher, dispatcher: Dispatcher) -> None:
    make_batch(engine, 1000)
    for _ in range(3):
        dispatcher.tick()
    assert len(publisher.list_waiting()) == window_size(5, None) == 20


def test_work_that_comes_after_quiet_is_dispatched_in_the_same_turn(
    engine: Engine, publisher: Publisher, dispatcher: Dispatcher
) -> None:
    job_ids = make_batch(engine, 3)
    dispatcher.tick(QUIET)
    assert not waiting(publisher)
    dispatcher.tick()
    assert waiting(publisher) == set(job_ids)


def test_only_with_an_active_batch_is_there_work(engine: Engine) -> None:
    with engine.connect() as connection:
        assert not queue.go_on_leading(connection)
        make_batch(engine, 1)
        assert queue.go_on_leading(connection)
        connection.execute(text("UPDATE batches SET state = 'paused', pause_reason = 'by hand'"))
        assert not queue.go_on_leading(connection)


def test_interactive_jobs_are_not_kept_out_by_a_full_bulk_window(
    engine: Engine, publisher: Publisher, dispatcher: Dispatcher, redis_url: str
) -> None:
    make_batch(engine, 1000)
    dispatcher.tick()
    urgent = make_batch(engine, 3, lane=Lane.INTERACTIVE)
    dispatcher.tick()
    assert set(urgent) <= waiting(publisher)
    client = Redis.from_url(redis_url)
    assert client.llen("cleanplate:broker:interactive") == 3
    client.close()


def test_a_wiped_redis_is_filled_again(
    engine: Engine, publisher: Publisher, dispatcher: Dispatcher, redis_url: str
) -> None:
    ids = make_batch(engine, 10)
    dispatcher.tick()
    client = Redis.from_url(redis_url)
    client.flushdb()
    client.close()
    age_queued(engine)
    patrol(dispatcher)
    patrol(dispatcher)
    assert waiting(publisher) == set(ids)


def test_what_still_waits_is_not_published_twice(engine: Engine, publisher: Publisher, dispatcher: Dispatcher) -> None:
    ids = make_batch(engine, 10)
    dispatcher.tick()
    sent = publisher.list_waiting()
    age_queued(engine)
    for _ in range(3):
        patrol(dispatcher)
    assert publisher.list_waiting() == sent
    assert sorted(job_id for job_id, _ in sent) == ids


def test_a_paused_batch_leaves_the_window_to_others(
    engine: Engine, publisher: Publisher, dispatcher: Dispatcher
) -> None:
    make_batch(engine, 100)
    dispatcher.tick()
    with engine.begin() as connection:
        batches.pause(connection, 1, "hand")
    second = make_batch(engine, 5)
    dispatcher.tick()
    assert set(second) <= waiting(publisher)


def test_an_open_circuit_lets_one_probe_through(engine: Engine, publisher: Publisher, dispatcher: Dispatcher) -> None:
    make_batch(engine, 50)
    with engine.begin() as connection:
        circuits.trip(connection, ACCOUNT, reason="account", code="InvalidAppKey", message="no")
    dispatcher.tick()
    assert waiting(publisher) == set()
    with engine.begin() as connection:
        circuits.probe_now(connection, ACCOUNT)
    dispatcher.tick()
    dispatcher.tick()
    assert len(waiting(publisher)) == 1


def test_a_settled_batch_is_finished(engine: Engine, dispatcher: Dispatcher) -> None:
    make_batch(engine, 2)
    with engine.begin() as connection:
        put(connection, "held")
    patrol(dispatcher)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT state FROM batches")).scalar() == "finished"


def test_another_takes_over_when_the_leader_goes(
    database_url: str, redis_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "STANDBY_SECONDS", 0.05)
    first, second = Running(database_url, redis_url), Running(database_url, redis_url)
    first.start()
    wait_for(lambda: leaders(engine) == 1)
    second.start()
    first.end()
    ids = make_batch(engine, 3)
    wait_for(lambda: all(state_of(engine, job_id) == "queued" for job_id in ids))
    second.end()


def test_a_restarted_connection_does_not_end_the_dispatcher(
    database_url: str, redis_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "STANDBY_SECONDS", 0.05)
    running = Running(database_url, redis_url)
    running.start()
    wait_for(lambda: leaders(engine) == 1)
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    ids = make_batch(engine, 3)
    wait_for(lambda: all(state_of(engine, job_id) == "queued" for job_id in ids))
    running.end()


def test_a_silent_worker_is_found(
    database_url: str, redis_url: str, engine: Engine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "STANDBY_SECONDS", 0.05)
    [job_id] = make_batch(engine, 1, queued=True)
    assert claim(engine, job_id)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now()"))
    options = DispatcherOptions(ACCOUNT, rate=5, lease_seconds=0.1)
    running = Running(database_url, redis_url, options)
    running.start()
    wait_for(lambda: waiting(publisher) == {job_id})
    running.end()


def total(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_what_a_dead_worker_cannot_tell_is_told_by_the_rescue(
    engine: Engine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, lease_seconds=0)
    called, idle = make_batch(engine, 2, queued=True)
    attempt = call(engine, called)
    assert claim(engine, idle)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
    lost, held = {"class": "maybe_billed", "code": "worker_lost"}, {"lane": "bulk", "state": "held"}
    before = total("cleanplate_calls_total", **lost), total("cleanplate_job_seconds_count", **held)
    with capture_logs() as lines:
        monkeypatch.setattr(dispatching, "log", structlog.get_logger())
        Dispatcher(engine, publisher, options, partial(decide_lost, rules=HOLD)).tick()
    assert total("cleanplate_calls_total", **lost) == before[0] + 1
    assert total("cleanplate_job_seconds_count", **held) == before[1] + 1
    told = {line["job"]: dict(line) for line in lines if line["event"] == "attempt"}
    assert told.keys() == {called, idle}
    assert told[called] | {"state": "held", "attempt": attempt, "batch": 1, "lane": "bulk"} == told[called]
    assert told[idle] | {"state": "pending", "code": "worker_lost", "attempt": None} == told[idle]


def test_messages_that_others_dealt_with_meanwhile_are_not_told_of_as_gone(
    engine: Engine, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job_id] = make_batch(engine, 1)
    monkeypatch.setattr(queue, "list_unclaimed", lambda *_: [(job_id, 9)])
    with capture_logs() as lines:
        monkeypatch.setattr(lost, "log", structlog.get_logger())
        for _ in range(3):
            patrol(dispatcher)
    assert not [line["event"] for line in lines if "gone from Redis" in line["event"]]


def test_a_frozen_leader_loses_the_lead_and_leads_again_later(
    database_url: str, redis_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "STANDBY_SECONDS", 0.05)
    monkeypatch.setattr(queue, "LEADER_IDLE_SECONDS", 0.5)
    first, second = Running(database_url, redis_url), Running(database_url, redis_url)
    frozen, thaw = threading.Event(), threading.Event()

    def freeze(_: Chores) -> None:
        frozen.set()
        thaw.wait(30)

    monkeypatch.setattr(first.dispatcher, "tick", freeze)
    first.start()
    assert frozen.wait(10)
    with engine.begin() as connection:
        processes.beat(connection, "first", "dispatcher", is_leader=True)
    second.start()
    try:
        wait_for(lambda: second.dispatcher.is_leading)
        assert not first.dispatcher.is_leading
        with engine.connect() as connection:
            assert [each.is_leader for each in processes.list_recent(connection)] == [False]
    finally:
        thaw.set()
    wait_for(lambda: not first.dispatcher.is_leading)
    second.end()
    wait_for(lambda: first.dispatcher.is_leading)
    first.end()


def age_queued(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE queued_jobs SET queued_at = now() - interval '1 minute'"))


def patrol(dispatcher: Dispatcher) -> None:
    dispatcher._next_patrol = 0.0
    dispatcher.tick()


def test_a_statement_that_takes_too_long_does_not_cost_the_lead(
    engine: Engine, publisher: Publisher, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STATEMENT_MS", 100)
    impatient = make_engine(database_url, pooled=False)
    stop = threading.Event()
    dispatcher = Dispatcher(impatient, publisher, OPTIONS, DECIDE_LOST)
    rounds: list[bool] = []
    turn = dispatcher._turn

    def note(leader: Connection) -> Chores:
        try:
            found = turn(leader)
        except DatabaseBusy:
            rounds.append(False)
            held.rollback()
            raise
        rounds.append(True)
        if False in rounds:
            stop.set()
        return found

    monkeypatch.setattr(dispatcher, "_turn", note)
    with engine.connect() as held, capture_logs() as logs:
        held.execute(text("LOCK TABLE jobs, queued_jobs"))
        thread = threading.Thread(target=dispatcher.run, args=(stop,))
        thread.start()
        thread.join(60)
    impatient.dispose()
    assert rounds[0] is False
    assert rounds[-1] is True
    assert [each["event"] for each in logs].count("leading") == 1
