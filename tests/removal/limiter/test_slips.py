"""A call that left late, by its sender's own clock: what follows from it, and what does not."""

import pytest
from redis import Redis

from removal.limiter.permit import Outcome, Permit
from tests.removal.limiter.simulation import Api, Fleet
from tests.removal.limiter.test_bucket import Line

RATE = 10


@pytest.fixture
def line(redis: Redis, account: str) -> Line:
    return Line(redis, account, rate=RATE)


def send_many(line: Line, count: int) -> list[Permit]:
    """Return permits whose slots have come, by slot."""
    return line.drain([line.reserve(line.start) for _ in range(count)])


def rate_after(line: Line, permit: Permit, ban: float | None = None, later_us: int = 100_000) -> float:
    """Return the learned rate after a call was refused."""
    line.settle(permit, Outcome.THROTTLED, permit.at_us + later_us, ban)
    return line.reserve(permit.at_us + later_us).rate_millis / 1000


def test_a_refusal_lowers_the_rate(line: Line) -> None:
    assert rate_after(line, send_many(line, RATE)[-1]) < RATE


def test_a_refusal_of_a_call_that_left_late_leaves_the_rate(line: Line) -> None:
    refused = send_many(line, RATE)[-1]
    line.bucket.slip(refused, 30_000, refused.at_us + 31_000)
    assert rate_after(line, refused) == RATE


def test_a_refusal_after_a_neighbour_that_left_late_leaves_the_rate(line: Line) -> None:
    first, *_, refused = send_many(line, RATE)
    line.bucket.slip(first, 30_000, refused.at_us)
    assert rate_after(line, refused) == RATE


@pytest.mark.parametrize("refused", [0, 25])
def test_a_refusal_in_a_second_without_the_late_call_lowers_the_rate(line: Line, refused: int) -> None:
    sent = send_many(line, 26)
    line.bucket.slip(sent[9], 30_000, sent[-1].at_us)
    assert rate_after(line, sent[refused], later_us=sent[-1].at_us - sent[refused].at_us) < RATE


def test_a_ban_closes_the_bucket_also_when_the_call_left_late(line: Line) -> None:
    refused = send_many(line, RATE)[-1]
    line.bucket.slip(refused, 30_000, refused.at_us + 31_000)
    assert rate_after(line, refused, ban=3.0) == RATE
    assert line.reserve(refused.at_us + 100_000).at_us >= refused.at_us + 3_100_000


def test_many_refusals_are_no_longer_put_down_to_late_calls(line: Line) -> None:
    sent = send_many(line, RATE)
    line.bucket.slip(sent[0], 30_000, sent[-1].at_us)
    rates = [rate_after(line, refused) for refused in sent[-4:]]
    assert rates[:2] == [RATE, RATE]
    assert rates[-1] < RATE


def test_a_call_counts_from_when_it_left(line: Line) -> None:
    sent = send_many(line, RATE)
    late = sent[0]
    line.bucket.slip(late, 90_000, sent[-1].at_us)
    left = late.at_us + 90_000
    follows = line.drain([line.reserve(sent[-1].at_us + 1)])[0]
    assert follows.at_us >= left + 1_000_000


def test_a_slip_in_a_bucket_that_was_lost_says_nothing(line: Line, redis: Redis) -> None:
    sent = send_many(line, RATE)[-1]
    redis.flushdb()
    line.bucket.slip(sent, 30_000, sent.at_us + 31_000)
    assert line.bucket.settle(sent, Outcome.THROTTLED, None, None, sent.at_us + 60_000).rate_millis == RATE * 1000


def thaws(seconds: float) -> float:
    """Return when a call leaves on a machine that stands still for a third of a second every five."""
    return seconds + max(0.0, 0.3 - seconds % 5) if seconds > 5 else seconds


@pytest.mark.slow
@pytest.mark.parametrize("rate", [10, 50])
def test_a_machine_that_stands_still_now_and_then_lowers_no_rate(redis: Redis, account: str, rate: int) -> None:
    silent = Fleet(redis, account + "-silent", rate, Api(lambda _: rate), thaws=thaws, tells=False)
    silent.run(60)
    assert min(learned for _, learned in silent.rates) < rate
    fleet = Fleet(redis, account, rate, Api(lambda _: rate), thaws=thaws)
    fleet.run(60)
    assert {learned for _, learned in fleet.rates} == {rate}
    assert fleet.refused(0, 60) < silent.refused(0, 60)
    assert fleet.used(1.1, 60, rate) >= 0.93  # for a third of a second in five it could not call


@pytest.mark.slow
def test_a_lower_quota_is_learned_however_often_calls_leave_late(redis: Redis, account: str) -> None:
    api = Api(lambda seconds: 25 if seconds >= 20 else 50)
    fleet = Fleet(redis, account, 50, api, thaws=lambda seconds: seconds + 0.006)
    fleet.run(60)
    assert fleet.used(25, 60, 25) >= 0.95
    assert fleet.refused(0, 60) < 0.03


@pytest.mark.parametrize(("rate", "refused_of"), [(0.5, 4), (1, 5), (5, 6), (5, 16)])
def test_a_lower_quota_is_learned_by_slow_callers_whose_calls_all_leave_late(
    redis: Redis, account: str, rate: float, refused_of: int
) -> None:
    line = Line(redis, account, rate=rate)
    now = line.start
    for number in range(1, 120):
        [sent] = line.drain([line.reserve(now)])
        if sent.rate_millis < rate * 1000:
            return
        line.bucket.slip(sent, 5_000, sent.at_us + 5_500)
        outcome = Outcome.THROTTLED if number % refused_of == 0 else Outcome.OK
        now = sent.at_us + 100_000
        line.settle(sent, outcome, now)
    pytest.fail("nothing was learned")
