"""What Redis remembers of calls: those that had a slot and were made, and no others."""

import time
from collections.abc import Iterator

import pytest
from redis import Redis

from removal.limiter import Limiter, LimiterUnavailable, Outcome, SlotMoved
from removal.limiter import memos as limiter_memos
from removal.limiter.bucket import memos_key
from removal.limiter.memos import CallMemory, memo_of
from tests.servers import Servers

ACCOUNT = "an account"
HOME = "here"


def never() -> bool:
    return False


@pytest.fixture
def memory(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[CallMemory]:
    monkeypatch.setattr(limiter_memos, "SETTLED_SECONDS", -60.0)
    found = CallMemory(servers.redis_url, ACCOUNT)
    yield found
    found.close()


@pytest.fixture
def redis(servers: Servers) -> Iterator["Redis"]:
    with Redis.from_url(servers.redis_url) as client:
        yield client


def call(limiter: Limiter, attempt_id: int, outcome: Outcome = Outcome.OK) -> None:
    permit = limiter.wait_until_due(limiter.reserve(), cancelled=never, memo=memo_of(attempt_id, attempt_id * 10, HOME))
    limiter.settle(permit, outcome)


def test_a_call_is_remembered_from_its_slot_on(memory: CallMemory, redis: "Redis") -> None:
    limiter = Limiter(redis, ACCOUNT, 50)
    assert memory.newest_attempt(HOME) == 0
    limiter.wait_until_due(limiter.reserve(), cancelled=never, memo=memo_of(7, 70, HOME))
    [found] = memory.list_called(HOME)
    assert (found.attempt_id, found.job_id, found.account) == (7, 70, ACCOUNT)
    assert abs(found.at.timestamp() - time.time()) < 60
    assert memory.newest_attempt(HOME) == 7
    assert 0 < int(redis.ttl(memos_key(ACCOUNT))) <= 7 * 86_400


def test_the_calls_of_another_installation_are_none_of_ours(memory: CallMemory, redis: "Redis") -> None:
    limiter = Limiter(redis, ACCOUNT, 50)
    limiter.wait_until_due(limiter.reserve(), cancelled=never, memo=memo_of(99, 990, "there"))
    call(limiter, 3)
    assert memory.newest_attempt(HOME) == 3
    assert [each.attempt_id for each in memory.list_called(HOME)] == [3]


def test_whatever_became_of_it_it_was_made(memory: CallMemory, redis: "Redis") -> None:
    limiter = Limiter(redis, ACCOUNT, 50)
    for attempt_id, outcome in enumerate((Outcome.OK, Outcome.THROTTLED, Outcome.FAILED, Outcome.UNUSED), 1):
        call(limiter, attempt_id, outcome)
    assert [each.attempt_id for each in memory.list_called(HOME)] == [1, 2, 3]
    assert memory.newest_attempt(HOME) == 3


def test_a_call_whose_slot_moved_was_not_made(memory: CallMemory, redis: "Redis") -> None:
    limiter = Limiter(redis, ACCOUNT, 50)
    permit = limiter.wait_until_due(limiter.reserve(), cancelled=never, memo=memo_of(5, 50, HOME))
    # The machine was held up between slot and call, for longer than what was asked before it holds.
    with pytest.raises(SlotMoved):
        limiter.wait_until_due(permit, cancelled=never, memo=memo_of(5, 50, HOME), latest=time.monotonic() - 1)
    call(limiter, 6)
    assert [each.attempt_id for each in memory.list_called(HOME)] == [6]


def test_calls_of_all_accounts_are_listed_and_those_of_one_say_how_far_it_is(
    memory: CallMemory, redis: "Redis"
) -> None:
    call(Limiter(redis, ACCOUNT, 50), 1)
    call(Limiter(redis, "another", 50), 2)
    assert [each.account for each in memory.list_called(HOME)] == [ACCOUNT, "another"]
    assert memory.newest_attempt(HOME) == 1


def test_what_is_young_may_still_be_told_to_be_none(
    memory: CallMemory, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    call(Limiter(redis, ACCOUNT, 50), 1)
    monkeypatch.setattr(limiter_memos, "SETTLED_SECONDS", 3600.0)
    assert memory.newest_attempt(HOME) == 0


def test_so_many_are_remembered_and_no_more(memory: CallMemory, redis: "Redis") -> None:
    with redis.pipeline() as pipe:
        for _ in range(20):
            pipe.rpush(memos_key(ACCOUNT), *(b"1 1 here 1764500000" for _ in range(10_000)))
        pipe.execute()
    call(Limiter(redis, ACCOUNT, 50), 2)
    assert redis.llen(memos_key(ACCOUNT)) == 200_000
    assert memory.newest_attempt(HOME) == 2
    bytes_used = redis.memory_usage(memos_key(ACCOUNT), samples=0)
    assert bytes_used is not None
    assert int(bytes_used) < 6_000_000


def test_a_redis_that_is_away_is_no_empty_memory() -> None:
    memory = CallMemory("redis://127.0.0.1:1", ACCOUNT)
    for ask in (memory.newest_attempt, memory.list_called):
        with pytest.raises(LimiterUnavailable):
            ask(HOME)
    memory.close()
