"""The script: whatever callers do and the clock says, no second holds too many calls, and turns are kept."""

import itertools

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from redis import Redis

from core.states import Lane
from removal.limiter import verbs
from removal.limiter.bucket import keys_of
from removal.limiter.clock import RedisClock
from removal.limiter.permit import Outcome, Permit
from tests.removal.limiter.crowd import LATE_US
from tests.removal.limiter.machine import BucketMachine
from tests.removal.limiter.simulation import AHEAD_US, START_US, OneByOne, take_in


@pytest.mark.slow
def test_no_sequence_of_events_breaks_the_bucket(redis: Redis) -> None:
    class Machine(BucketMachine):
        client = redis

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class Line:
    """A few callers by hand, on a bucket whose first closure is over."""

    def __init__(self, client: Redis, account: str, rate: float = 10, burst: int = 1) -> None:
        self.bucket = OneByOne(client, account, rate, burst, RedisClock())
        self.settle(self.reserve(START_US), Outcome.UNUSED, START_US)
        self.start = START_US + 10_000_000

    def reserve(self, now: int, lane: Lane = Lane.BULK) -> Permit:
        permit = Permit(lane)
        take_in(permit, self.bucket.reserve(lane, now))
        return permit

    def grant(self, permit: Permit, now: int) -> Permit:
        take_in(permit, self.bucket.grant(permit, AHEAD_US, now))
        return permit

    def settle(self, permit: Permit, outcome: Outcome, now: int, ban: float | None = None) -> None:
        self.bucket.settle(permit, outcome, ban, None, now)

    def drain(self, permits: list[Permit]) -> list[Permit]:
        """Grant all as they come due; return them by slot."""
        done: list[Permit] = []
        while permits:
            permit = min(permits, key=lambda permit: (permit.at_us, -permit.number))
            self.grant(permit, permit.at_us - AHEAD_US)
            if permit.granted:
                permits.remove(permit)
                done.append(permit)
        return done


def test_first_come_is_first_served(redis: Redis, account: str) -> None:
    line = Line(redis, account)
    permits = [line.reserve(line.start + place) for place in range(20)]
    done = line.drain(list(permits))
    assert done == permits
    slots = [permit.at_us for permit in done]
    assert {after - before for before, after in itertools.pairwise(slots)} <= set(range(100_000, 102_000))


def test_a_closure_keeps_the_order(redis: Redis, account: str) -> None:
    line = Line(redis, account)
    permits = [line.reserve(line.start) for _ in range(10)]
    first = line.grant(permits.pop(0), line.start)
    line.settle(first, Outcome.THROTTLED, line.start + 50_000, ban=3.0)
    permits.append(line.reserve(line.start + 60_000))
    done = line.drain(list(permits))
    assert [permit.number for permit in done] == sorted(permit.number for permit in done)
    assert done[0].at_us >= line.start + 3_050_000


def test_a_granted_slot_that_a_closure_voided_is_not_used_late(redis: Redis, account: str) -> None:
    line = Line(redis, account)
    first, second = line.reserve(line.start), line.reserve(line.start)
    line.grant(first, line.start)
    line.grant(second, second.at_us - AHEAD_US)
    assert second.granted
    slot = second.at_us
    line.settle(first, Outcome.THROTTLED, slot - 10_000, ban=2.0)
    take_in(second, line.bucket.delay(second, LATE_US, slot + 5_000))
    assert not second.granted
    assert second.at_us >= slot - 10_000 + 2_000_000


def test_calls_that_are_late_at_the_same_moment_have_slots_of_their_own(redis: Redis, account: str) -> None:
    line = Line(redis, account)
    permits = line.drain([line.reserve(line.start) for _ in range(2)])
    now = permits[-1].at_us + 5_000
    answers = line.bucket.talk([verbs.delay(permit, LATE_US) for permit in permits], now)
    assert [answer.at for answer in answers] == [now + LATE_US, now + LATE_US + 1]


@pytest.mark.parametrize(("rate", "forgiven"), [(5, 0), (14, 0), (15, 1), (30, 2), (200, 2)])
def test_stray_refusals_are_forgiven_and_those_of_one_overload_lower_the_rate_once(
    redis: Redis, account: str, rate: int, forgiven: int
) -> None:
    line = Line(redis, account, rate=rate)
    permits = line.drain([line.reserve(line.start) for _ in range(rate + 5)])
    now, rates = permits[-1].at_us + 40_000, []
    for permit in permits[-5:]:
        line.settle(permit, Outcome.THROTTLED, now)
        rates.append(line.reserve(now).rate_millis)
    assert rates[:forgiven] == [rate * 1000] * forgiven
    assert rates[forgiven] < rate * 1000
    assert len(set(rates[forgiven:])) == 1


def test_a_refusal_in_a_window_with_room_is_no_stray(redis: Redis, account: str) -> None:
    line = Line(redis, account, rate=50)
    permits = line.drain([line.reserve(line.start) for _ in range(20)])
    line.settle(permits[-1], Outcome.THROTTLED, permits[-1].at_us + 40_000)
    assert 19_000 <= line.reserve(permits[-1].at_us + 40_000).rate_millis < 30_000


def test_a_slot_given_back_is_used_by_the_next(redis: Redis, account: str) -> None:
    line = Line(redis, account, rate=50)
    first, second = (line.reserve(line.start) for _ in range(2))
    line.grant(first, line.start)
    line.settle(first, Outcome.UNUSED, line.start)
    assert line.grant(second, line.start).at_us == first.at_us


def test_places_of_the_dead_are_passed_over(redis: Redis, account: str) -> None:
    line = Line(redis, account, rate=50)
    permits = [line.reserve(line.start) for _ in range(40)]
    done = line.drain(permits[::2])
    assert len(done) == 20
    assert done[-1].at_us - line.start < 40 * 20_300


def test_interactive_goes_before_bulk(redis: Redis, account: str) -> None:
    line = Line(redis, account)
    bulk = [line.reserve(line.start) for _ in range(30)]
    urgent = [line.reserve(line.start + 1000, Lane.INTERACTIVE) for _ in range(3)]
    done = line.drain([*bulk, *urgent])
    assert all(place < 5 for place, permit in enumerate(done) if permit.lane is Lane.INTERACTIVE)
    assert [permit for permit in done if permit.lane is Lane.BULK] == bulk
    slots = [permit.at_us for permit in done]
    assert slots[-1] - slots[0] < 32 * 102_000


@pytest.mark.parametrize("burst", [2, 5])
def test_a_burst_goes_out_at_once_but_within_the_quota(redis: Redis, account: str, burst: int) -> None:
    line = Line(redis, account, rate=5, burst=burst)
    slots = [permit.at_us for permit in line.drain([line.reserve(line.start) for _ in range(25)])]
    assert slots[burst - 1] == slots[0]
    assert all(slots[place + 5] - slots[place] >= 1_000_000 for place in range(20))
    assert slots[-1] - slots[0] <= 5 * 1_010_000


def test_idle_time_does_not_raise_the_rate(redis: Redis, account: str) -> None:
    line = Line(redis, account, rate=10)
    permit = line.grant(line.reserve(line.start), line.start)
    line.settle(permit, Outcome.THROTTLED, line.start)
    lowered = line.reserve(line.start).rate_millis
    assert line.reserve(line.start + 3_600_000_000).rate_millis == lowered < 10_000


def test_the_lowest_configured_rate_of_a_fleet_counts_at_once_and_until_nobody_asks_for_it(
    redis: Redis, account: str
) -> None:
    slow, fast = (OneByOne(redis, account, rate, 1, RedisClock()) for rate in (100, 200))
    rates = [
        bucket.reserve(Lane.BULK, START_US + int(seconds * 1e6)).rate_millis / 1000
        for bucket, seconds in [(fast, 0), (slow, 1), (fast, 2), (slow, 9), (fast, 18.9), (fast, 19.1), (slow, 20)]
    ]
    assert rates == [200, 100, 100, 100, 100, 200, 100]


def test_what_was_learned_outlives_another_configured_rate(redis: Redis, account: str) -> None:
    line = Line(redis, account, rate=100)
    permit = line.grant(line.reserve(line.start), line.start)
    line.settle(permit, Outcome.THROTTLED, line.start)
    learned = line.reserve(line.start).rate_millis
    assert learned < 100_000
    faster = OneByOne(redis, account, 200, 1, RedisClock())
    assert faster.reserve(Lane.BULK, line.start + 60_000_000).rate_millis == learned
    slower = OneByOne(redis, account, 20, 1, RedisClock())
    assert slower.reserve(Lane.BULK, line.start + 60_000_000).rate_millis == 20_000


def test_bulk_stays_behind_whom_a_lower_rate_put_together_with_it(redis: Redis, account: str) -> None:
    line = Line(redis, account, rate=200)
    bulk = [line.reserve(line.start) for _ in range(20)]
    urgent = [line.reserve(line.start, Lane.INTERACTIVE) for _ in range(5)]
    slower = OneByOne(redis, account, 1, 1, RedisClock())
    slower.reserve(Lane.BULK, line.start + 1000)
    done: list[Permit] = []
    while len(done) < 8:
        now = max(line.start + 1000, min(permit.at_us for permit in (*bulk, *urgent)) - AHEAD_US)
        # Bulk asks first, as it may: whose process wakes first is chance.
        for permit in [each for each in (*bulk, *urgent) if each.at_us <= now + AHEAD_US]:
            if line.grant(permit, now).granted:
                (urgent if permit in urgent else bulk).remove(permit)
                done.append(permit)
    assert [permit.lane for permit in sorted(done, key=lambda permit: permit.at_us)[:6]].count(Lane.INTERACTIVE) == 5


def put_back(client: Redis, account: str, state: dict[str, bytes | None]) -> None:
    """Let Redis hold what it held before."""
    client.delete(*keys_of(account))
    for key, dump in state.items():
        if dump is not None:
            client.restore(key, 0, dump)


@pytest.mark.parametrize("knows_its_server", [True, False])
def test_a_redis_that_lost_its_last_moments_lets_nobody_call_twice(
    redis: Redis, account: str, knows_its_server: bool
) -> None:
    line = Line(redis, account, rate=10, burst=10)
    held = {key: redis.dump(key) for key in keys_of(account)}
    sent = [line.grant(line.reserve(line.start), line.start) for _ in range(10)]
    assert {permit.granted for permit in sent} == {True}
    put_back(redis, account, held)
    if knows_its_server:
        # As one that was written on another server; whoever asks first knows nothing.
        redis.hset(keys_of(account)[0], "server", 1)
        line.bucket = OneByOne(redis, account, 10, 10, RedisClock())
    after = line.drain([line.reserve(line.start + 1) for _ in range(10)])
    assert after[0].at_us >= sent[-1].at_us + 1_000_000
    assert {permit.born for permit in after} != {sent[0].born}


def test_what_was_learned_and_told_outlives_a_failover(redis: Redis, account: str) -> None:
    line = Line(redis, account, rate=100)
    permit = line.grant(line.reserve(line.start), line.start)
    line.settle(permit, Outcome.THROTTLED, line.start, ban=30.0)
    learned = line.reserve(line.start).rate_millis
    redis.hset(keys_of(account)[0], "server", 1)
    answer = line.bucket.reserve(Lane.BULK, line.start)
    assert answer.born != permit.born
    assert answer.rate_millis == learned < 100_000
    assert answer.at >= line.start + 30_000_000


def test_without_leave_to_ask_which_server_it_is_the_bucket_still_works(redis: Redis, account: str) -> None:
    redis.acl_setuser("plain", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-info"])
    where = redis.get_connection_kwargs()
    with Redis(host=where["host"], port=where["port"], db=where["db"], username="plain", password="any") as plain:
        line = Line(plain, account, rate=10)
        assert len(line.drain([line.reserve(line.start) for _ in range(3)])) == 3
    assert redis.hget(keys_of(account)[0], "server") is None
    redis.acl_deluser("plain")


@pytest.mark.parametrize("burst", [1, 10])
def test_calls_that_were_evicted_alone_still_count(redis: Redis, account: str, burst: int) -> None:
    line = Line(redis, account, rate=10, burst=burst)
    sent = line.drain([line.reserve(line.start) for _ in range(10)])
    redis.delete(keys_of(account)[1])
    after = line.drain([line.reserve(sent[-1].at_us) for _ in range(10)])
    assert after[0].at_us >= sent[-1].at_us + 1_000_000
    assert after[0].at_us <= sent[-1].at_us + 1_010_000


def test_of_three_rates_the_middle_one_counts_once_the_lowest_is_gone(redis: Redis, account: str) -> None:
    low, middle, high = (OneByOne(redis, account, rate, 1, RedisClock()) for rate in (5, 10, 20))
    rates = [
        bucket.reserve(Lane.BULK, START_US + int(seconds * 1e6)).rate_millis / 1000
        for bucket, seconds in [(low, 0), (middle, 5), (high, 9), (high, 10.1), (high, 15.1)]
    ]
    assert rates == [5, 5, 5, 10, 20]
