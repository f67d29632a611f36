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

from core.states import Lane
from localstack.embedded import EmbeddedValkey
from removal.limiter import Limiter, LimiterUnavailable, Outcome, SlotMoved, view
from removal.limiter.bucket import keys_of
from removal.limiter.view import present_rate


def never() -> bool:
    return False


def micros(redis: Redis) -> int:
    """Return Redis' time in µs."""
    seconds, rest = redis.time()
    return int(seconds) * 1_000_000 + int(rest)


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
    for _ in range(30):
        permit = limiter.wait_until_due(limiter.reserve(), cancelled=never)
        assert limiter.due_in(permit) <= 0
        slots.append(permit.at_us)
        limiter.settle(permit, Outcome.OK)
    assert all(after - before >= 1_000_000 for before, after in zip(slots, slots[20:], strict=False))


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
    limiter = Limiter(redis, open_account, 0.01)
    limiter.reserve()
    permit = limiter.reserve()
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    limiter.wait_until_due(permit, cancelled=stop if by_event else stop.is_set)
    assert permit.settled
    assert not permit.granted
    assert limiter.due_in(permit) > 0
    limiter.settle(permit, Outcome.UNUSED)
    assert limiter.reserve().number == permit.number


def test_a_throttle_closes_the_bucket_for_other_processes(redis: Redis, open_account: str) -> None:
    mine, theirs = Limiter(redis, open_account, 20), Limiter(redis, open_account, 20)
    permit = mine.wait_until_due(mine.reserve(), cancelled=never)
    waiting = [theirs.reserve() for _ in range(3)]
    before = micros(redis)
    mine.settle(permit, Outcome.THROTTLED, ban_seconds=0.7)
    after = micros(redis)
    state = view(redis, open_account)
    assert state is not None
    closed = float(redis.hget(keys_of(open_account)[0], "closed") or 0)
    assert before + 700_000 <= closed <= after + 700_000
    assert state.closed_for_seconds <= 0.7
    assert state.throttled == 1
    assert state.learned_rate < state.configured_rate == 20
    for permit in waiting:
        assert theirs.wait_until_due(permit, cancelled=never).at_us >= closed


def test_a_permit_whose_slot_moved_away_keeps_its_place(redis: Redis, open_account: str) -> None:
    limiter = Limiter(redis, open_account, 20)
    before, first, second = (limiter.reserve() for _ in range(3))
    limiter.settle(limiter.wait_until_due(before, cancelled=never), Outcome.THROTTLED, ban_seconds=0.7)
    with pytest.raises(SlotMoved):
        limiter.wait_until_due(first, cancelled=never, latest=time.monotonic() + 0.2)
    assert not first.settled
    limiter.wait_until_due(first, cancelled=never)
    limiter.wait_until_due(second, cancelled=never)
    assert first.at_us < second.at_us


def test_a_slot_that_was_missed_is_given_up_and_another_comes_at_once(redis: Redis, open_account: str) -> None:
    limiter = Limiter(redis, open_account, 20)
    first, second = limiter.reserve(), limiter.reserve()
    limiter.wait_until_due(first, cancelled=never)
    with pytest.raises(SlotMoved):
        limiter.wait_until_due(first, cancelled=never, latest=time.monotonic())
    limiter.wait_until_due(first, cancelled=never)
    limiter.wait_until_due(second, cancelled=never)
    assert first.at_us < second.at_us
    assert int(redis.zcard(keys_of(open_account)[1])) == 3


def test_a_call_that_left_late_counts_from_when_it_left(redis: Redis, open_account: str) -> None:
    limiter = Limiter(redis, open_account, 20)
    permit = limiter.wait_until_due(limiter.reserve(Lane.INTERACTIVE), cancelled=never)
    time.sleep(0.05)
    limiter.note_sent(permit)
    # It is told with what is told next.
    limiter.settle(permit, Outcome.OK)
    left = redis.zscore(keys_of(open_account)[1], f"interactive{permit.number}")
    assert left is not None
    assert float(left) >= permit.at_us + 50_000


def test_the_view_tells_the_queue_and_the_latency(redis: Redis, open_account: str) -> None:
    limiter = Limiter(redis, open_account, 20)
    permit = limiter.wait_until_due(limiter.reserve(Lane.INTERACTIVE), cancelled=never)
    limiter.settle(permit, Outcome.FAILED, latency_seconds=1.5)
    slow = Limiter(redis, open_account, 0.01)
    for _ in range(10):
        slow.reserve()
    state = view(redis, open_account)
    assert state is not None
    assert state.latency_seconds == 1.5
    assert (state.ok, state.failed, state.throttled) == (1, 1, 0)
    # One call in 100 s, so that it does not matter how long this test takes.
    assert state.waiting == 10
    assert 1000 < state.reserved_ahead_seconds < 1110
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


def test_a_forgotten_script_is_sent_again(redis: Redis, account: str) -> None:
    limiter = Limiter(redis, account, 20)
    permit = limiter.reserve()
    redis.script_flush()
    limiter.settle(limiter.wait_until_due(permit, cancelled=never), Outcome.OK)
    redis.script_flush()
    limiter.reserve()


@pytest.mark.slow
def test_a_wiped_redis_lets_no_double_second_through(redis_client: Redis, account: str) -> None:
    rate, slots, stop = 50, [], threading.Event()
    limiter = Limiter(redis_client, account, rate)

    def call() -> None:
        while not stop.is_set():
            permit = limiter.wait_until_due(limiter.reserve(), cancelled=stop)
            if not permit.settled:
                slots.append(permit.at_us)
                limiter.settle(permit, Outcome.OK)

    crew = [threading.Thread(target=call) for _ in range(20)]
    for thread in crew:
        thread.start()
    for enough in (60, 120):
        while len(slots) < enough:
            stop.wait(0.01)
        redis_client.flushdb()
    wiped = len(slots)
    while len(slots) < wiped + 60:
        stop.wait(0.01)
    stop.set()
    for thread in crew:
        thread.join()
    slots.sort()
    assert all(after - before >= 1_000_000 for before, after in zip(slots, slots[rate:], strict=False))


def test_the_keys_do_not_stay_for_ever(redis: Redis, open_account: str) -> None:
    for key in keys_of(open_account):
        assert 0 < int(redis.ttl(key)) <= 86_400


@pytest.mark.parametrize(("name", "rate", "burst"), [("", 5, 1), ("a", 0, 1), ("a", -1, 1), ("a", 5, 0)])
def test_nonsense_is_refused_at_once(redis: Redis, name: str, rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="the limiter needs"):
        Limiter(redis, name, rate, burst)


@pytest.mark.parametrize(("configured", "rate"), [(24.7, 24.0), (3, 3.0), (0.5, 0.5)])
def test_the_present_rate_is_in_whole_calls_a_second_as_the_bucket_counts(
    valkey: EmbeddedValkey, account: str, configured: float, rate: float
) -> None:
    assert present_rate("", account, configured) == rate
    assert present_rate("redis://127.0.0.1:1/0", account, configured) == rate
    assert present_rate(valkey.url, account, configured) == rate


def test_the_present_rate_is_what_was_learned(valkey: EmbeddedValkey, redis: Redis, open_account: str) -> None:
    redis.hset(keys_of(open_account)[0], "learned", "7.0")
    assert present_rate(valkey.url, open_account, 20) == 7.0
