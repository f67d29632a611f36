"""The limiter as the worker uses it, and what it does when its Redis fails."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from cli.stack.embedded import EmbeddedValkey
from core.states import Lane
from removal.limiter import Limiter, LimiterUnavailable, Outcome, view
from removal.limiter.bucket import keys_of


def never() -> bool:
    return False


@pytest.fixture
def open_account(redis: Redis, account: str) -> str:
    """An account whose first closure is over."""
    limiter = Limiter(redis, account, 20)
    limiter.settle(limiter.wait_until_due(limiter.reserve(), cancelled=never), Outcome.OK)
    return account


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server that a test may break."""
    with EmbeddedValkey(tmp_path) as server:
        yield server


def test_a_permit_is_due_at_its_slot_and_never_before(redis: Redis, open_account: str) -> None:
    limiter = Limiter(redis, open_account, 20)
    slots = []
    for _ in range(10):
        permit = limiter.wait_until_due(limiter.reserve(), cancelled=never)
        late = -limiter.due_in(permit)
        slots.append(time.monotonic() - late)
        assert 0 <= late < 0.05
        limiter.settle(permit, Outcome.OK)
    assert slots[-1] - slots[0] > 9 / 20 - 0.02


def test_sleeping_leaves_time_before_the_slot(redis: Redis, open_account: str) -> None:
    limiter = Limiter(redis, open_account, 2)
    limiter.wait_until_due(limiter.reserve(), cancelled=never)
    permit = limiter.reserve()
    assert not limiter.sleep_until(permit, ahead_seconds=0.2, cancelled=never)
    assert limiter.due_in(permit) <= 0.2
    assert limiter.wait_until_due(permit, cancelled=never) is permit
    assert permit.granted


@pytest.mark.parametrize("by_event", [True, False])
def test_a_cancelled_wait_gives_the_place_back(redis: Redis, open_account: str, by_event: bool) -> None:
    limiter = Limiter(redis, open_account, 0.2)
    limiter.reserve()
    permit = limiter.reserve()
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    limiter.wait_until_due(permit, cancelled=stop if by_event else stop.is_set)
    assert time.monotonic() - began < 2
    assert permit.settled
    assert not permit.granted
    limiter.settle(permit, Outcome.UNUSED)
    assert limiter.reserve().number == permit.number


def test_a_throttle_closes_the_bucket_for_other_processes(redis: Redis, open_account: str) -> None:
    mine, theirs = Limiter(redis, open_account, 20), Limiter(redis, open_account, 20)
    permit = mine.wait_until_due(mine.reserve(), cancelled=never)
    waiting = [theirs.reserve() for _ in range(3)]
    mine.settle(permit, Outcome.THROTTLED, ban_seconds=0.7)
    closed = time.monotonic()
    state = view(redis, open_account)
    assert state is not None
    assert 0.5 < state.closed_for_seconds <= 0.7
    assert state.throttled == 1
    assert state.learned_rate < state.configured_rate == 20
    for permit in waiting:
        theirs.wait_until_due(permit, cancelled=never)
        assert time.monotonic() - closed >= 0.69


def test_the_view_tells_the_queue_and_the_latency(redis: Redis, open_account: str) -> None:
    limiter = Limiter(redis, open_account, 20)
    permit = limiter.wait_until_due(limiter.reserve(Lane.INTERACTIVE), cancelled=never)
    limiter.settle(permit, Outcome.FAILED, latency_seconds=1.5)
    for _ in range(10):
        limiter.reserve()
    state = view(redis, open_account)
    assert state is not None
    assert state.latency_seconds == 1.5
    assert (state.ok, state.failed, state.throttled) == (1, 1, 0)
    assert 8 <= state.waiting <= 10
    assert 0.3 < state.reserved_ahead_seconds < 0.6
    assert view(redis, "never used") is None


def test_no_redis_no_call(own_valkey: EmbeddedValkey, account: str) -> None:
    client = Redis.from_url(own_valkey.url, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    limiter = Limiter(client, account, 20)
    permit = limiter.reserve()
    own_valkey.stop()
    with pytest.raises(LimiterUnavailable) as caught:
        limiter.wait_until_due(permit, cancelled=never)
    assert isinstance(caught.value.__cause__, RedisConnectionError)
    for attempt in (limiter.reserve, lambda: limiter.settle(permit, Outcome.OK), lambda: view(client, account)):
        with pytest.raises(LimiterUnavailable):
            attempt()
    client.close()


def test_a_forgotten_script_is_sent_again(own_valkey: EmbeddedValkey, account: str) -> None:
    with Redis.from_url(own_valkey.url, socket_timeout=5) as client:
        limiter = Limiter(client, account, 20)
        permit = limiter.reserve()
        client.script_flush()
        limiter.settle(limiter.wait_until_due(permit, cancelled=never), Outcome.OK)
        client.script_flush()
        limiter.reserve()


def test_a_wiped_redis_lets_no_double_second_through(own_valkey: EmbeddedValkey, account: str) -> None:
    rate, moments, stop = 50, [], threading.Event()
    with Redis.from_url(own_valkey.url, socket_timeout=5) as client:
        limiter = Limiter(client, account, rate)

        def call() -> None:
            while not stop.is_set():
                permit = limiter.wait_until_due(limiter.reserve(), cancelled=stop)
                if not permit.settled:
                    moments.append(time.monotonic())
                    limiter.settle(permit, Outcome.OK)

        crew = [threading.Thread(target=call) for _ in range(20)]
        for thread in crew:
            thread.start()
        for enough in (60, 120):
            while len(moments) < enough:
                stop.wait(0.01)
            client.flushall()
        wiped = len(moments)
        while len(moments) < wiped + 60:
            stop.wait(0.01)
        stop.set()
        for thread in crew:
            thread.join()
    moments.sort()
    assert all(after - before >= 1.0 for before, after in zip(moments, moments[rate:], strict=False))


def test_the_keys_do_not_stay_for_ever(redis: Redis, open_account: str) -> None:
    for key in keys_of(open_account):
        assert 0 < int(redis.ttl(key)) <= 86_400


@pytest.mark.parametrize(("name", "rate", "burst"), [("", 5, 1), ("a", 0, 1), ("a", -1, 1), ("a", 5, 0)])
def test_nonsense_is_refused_at_once(redis: Redis, name: str, rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="the limiter needs"):
        Limiter(redis, name, rate, burst)
