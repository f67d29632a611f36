"""What Celery's own thread spends on the broker, and what it tells Flower."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from kombu import Connection, Consumer, Queue
from kombu.asynchronous import Hub
from redis import Redis

from core.queues import KEY_PREFIX, UNACKED_KEY, celery_settings
from core.states import Lane
from producer.publisher import Publisher
from worker.celery_app import make_app
from worker.celery_broker import GATHER_SECONDS, GatheringConsumer
from worker.process import wake_loop

ROOM = 5


def connection(redis_url: str) -> Connection:
    app = make_app(redis_url, None)  # type: ignore[arg-type]
    return app.connection_for_write()


class Taker:
    """Takes what is published, up to five messages at a time."""

    def __init__(self, broker: Connection, redis_url: str) -> None:
        self._redis_url = redis_url
        self.broker = broker
        self.channel: Any = broker.channel()
        self.messages: list[Any] = []
        queues = [Queue(lane.value) for lane in (Lane.INTERACTIVE, Lane.BULK)]
        self.consumer = Consumer(self.channel, queues=queues, on_message=self.messages.append)
        self.consumer.qos(prefetch_count=ROOM)
        self.consumer.consume()

    def publish(self, lane: Lane, *jobs: int) -> None:
        with Publisher(self._redis_url) as publisher:
            publisher.publish([(job, 1) for job in jobs], lane)

    @property
    def jobs(self) -> list[str]:
        return [message.headers["id"].partition(".")[0] for message in self.messages]

    def taken(self) -> set[tuple[int, int]]:
        """Return what lies in Redis as taken."""
        with Publisher(self._redis_url) as publisher:
            return publisher.list_taken()


@pytest.fixture
def taker(redis_url: str) -> Iterator[Taker]:
    with connection(redis_url) as broker:
        yield Taker(broker, redis_url)


def commands(redis: Redis) -> int:
    """Return how many commands came from outside of scripts so far."""
    found: Any = redis.info("commandstats")
    return sum(int(found.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("brpop", "evalsha", "exec"))


def test_commands_share_one_client_until_the_connection_is_lost(redis_url: str) -> None:
    with connection(redis_url) as broker:
        channel = broker.default_channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            first.ping()
        channel._disconnect_pools()
        with channel.conn_or_acquire() as third:
            assert third is not first
            third.ping()


def test_keys_are_the_dispatchers(redis_url: str) -> None:
    prefix = celery_settings(redis_url)["broker_transport_options"]["global_keyprefix"]
    with connection(redis_url) as broker, broker.default_channel.conn_or_acquire() as client:
        client.lpush("probe", "1")
        assert client.global_keyprefix == prefix
        assert client.delete("probe") == 1


def test_as_many_messages_are_taken_together_as_there_is_room_for_and_interactive_ones_first(
    taker: Taker, redis_client: Redis
) -> None:
    taker.publish(Lane.BULK, 1, 2, 3, 4)
    taker.publish(Lane.INTERACTIVE, 8, 9)
    redis_client.script_flush()
    before = commands(redis_client)
    taker.broker.drain_events(timeout=60)
    assert taker.jobs == ["8", "9", "1", "2", "3"]
    assert commands(redis_client) - before == 3  # BRPOP, and the script, which is sent the first time
    assert taker.taken() == {(job, 1) for job in (8, 9, 1, 2, 3)}
    assert redis_client.llen(KEY_PREFIX + Lane.BULK.value) == 1


def test_what_is_done_with_is_forgotten_and_the_next_are_taken_in_one_step(taker: Taker, redis_client: Redis) -> None:
    taker.publish(Lane.BULK, *range(1, 9))
    taker.broker.drain_events(timeout=60)
    before = commands(redis_client)
    taker.channel.is_gathering = True
    for message in taker.messages[:2]:
        message.ack()
    assert commands(redis_client) == before
    taker.channel.exchange(taker.channel.room)
    taker.channel.deliver_found()
    assert commands(redis_client) == before + 1
    assert taker.jobs == [str(job) for job in range(1, 8)]
    assert taker.taken() == {(job, 1) for job in range(3, 8)}
    assert redis_client.zcard(UNACKED_KEY + "_index") == ROOM


def test_one_that_is_done_with_alone_is_forgotten_at_once_and_takes_no_other(taker: Taker, redis_client: Redis) -> None:
    taker.publish(Lane.BULK, *range(1, 9))
    taker.broker.drain_events(timeout=60)
    taker.messages[0].ack()
    assert taker.taken() == {(job, 1) for job in range(2, 6)}
    assert redis_client.llen(KEY_PREFIX + Lane.BULK.value) == 3


def test_what_was_taken_goes_back_to_its_queue_when_the_worker_leaves(redis_url: str, redis_client: Redis) -> None:
    with connection(redis_url) as broker:
        taker = Taker(broker, redis_url)
        taker.publish(Lane.BULK, *range(1, 9))
        broker.drain_events(timeout=60)
        assert len(taker.taken()) == ROOM
        taker.messages[0].ack()
        taker.channel.close()
        assert taker.taken() == set()
    assert redis_client.llen(KEY_PREFIX + Lane.BULK.value) == 7
    assert redis_client.zcard(UNACKED_KEY + "_index") == 0


def test_no_message_is_taken_while_a_brpop_waits_or_by_a_closed_channel(taker: Taker) -> None:
    assert taker.channel.room == ROOM
    taker.channel._in_poll = object()
    assert taker.channel.room == 0
    taker.channel._in_poll = None
    taker.channel.close()
    assert taker.channel.room == 0


class Loop:
    """Celery's event loop, gone through by hand."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []
        self.later: list[tuple[float, Callable[[], object]]] = []

    def call_soon(self, work: Callable[[], object]) -> None:
        self.soon.append(work)

    def call_later(self, seconds: float, work: Callable[[], object]) -> None:
        self.later.append((seconds, work))


@pytest.fixture
def consumer() -> Any:
    made: Any = GatheringConsumer.__new__(GatheringConsumer)
    made._ended, made._ended_lock, made.hub, made.task_consumer = [], threading.Lock(), Loop(), None
    return made


def test_jobs_that_end_together_wake_celery_once(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.celery_broker.time.monotonic", lambda: 1000.0)
    done: list[int] = []
    for job in (1, 2, 3):
        consumer.call_soon(done.append, job)
    [wake] = consumer.hub.soon
    wake()
    [(seconds, acknowledge)] = consumer.hub.later
    assert seconds == GATHER_SECONDS
    assert done == []
    acknowledge()
    assert done == [1, 2, 3]
    consumer.call_soon(done.append, 4)
    assert len(consumer.hub.soon) == 2


def test_a_timer_that_went_with_its_connection_holds_nothing_up(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("worker.celery_broker.time.monotonic", lambda: now[0])
    done: list[int] = []
    consumer.call_soon(done.append, 1)
    now[0] += 1.0
    consumer.call_soon(done.append, 2)
    assert len(consumer.hub.soon) == 2
    consumer._acknowledge()
    assert done == [1, 2]


class Timers:
    """A loop that keeps how often it was to do something, and whether it still is."""

    poller = None

    def __init__(self) -> None:
        self.on_tick: set[Any] = set()
        self.all: list[tuple[float, Callable[[], object], Mock]] = []

    def call_repeatedly(self, seconds: float, work: Callable[[], object]) -> Mock:
        timer = Mock()
        self.all.append((seconds, work, timer))
        return timer

    add_reader = remove_reader = remove = Mock()


def test_the_brokers_client_wakes_an_idle_worker_no_more_than_every_ten_seconds(redis_url: str) -> None:
    with connection(redis_url) as broker:
        timers = Timers()
        broker.transport.register_with_event_loop(broker.default_channel.connection, timers)
        assert min(seconds for seconds, _, timer in timers.all if not timer.cancel.called) >= 10


def test_a_loop_that_waits_looks_at_once_whether_it_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    hub.call_later(3600, Mock())
    monkeypatch.setattr(hub, "fire_timers", lambda **_: 3600)
    went_round = threading.Event()

    def go_round() -> None:
        next(hub.loop)
        went_round.set()

    # What was called before the loop waits is done in its first round, and needs no waking.
    hub.on_tick.add(lambda: threading.Thread(target=wake_loop, args=(hub,)).start())
    thread = threading.Thread(target=go_round)
    thread.start()
    assert went_round.wait(60)
    thread.join(60)
    hub.close()
    wake_loop(None)
