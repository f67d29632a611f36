"""The learned rate finds the quota there is, in simulated time."""

from bisect import bisect_left

import pytest
from redis import Redis

from tests.removal.limiter.simulation import Api, Fleet

pytestmark = pytest.mark.slow


def test_a_quota_as_configured_is_used_up_and_never_exceeded(redis: Redis, account: str) -> None:
    fleet = Fleet(redis, account, 50, Api(lambda _: 50))
    fleet.run(31)
    assert fleet.refused(0, 31) == 0
    assert fleet.used(1.1, 31, 50) >= 0.99


@pytest.mark.parametrize("latency", [0.2, 1.0, 3.0])
def test_half_the_quota_from_the_start_is_found_within_seconds(redis: Redis, account: str, latency: float) -> None:
    api = Api(lambda _: 25, latency)
    fleet = Fleet(redis, account, 50, api)
    fleet.run(45)
    assert fleet.used(8, 45, 25) >= 0.96
    assert fleet.refused(0, 45) < 0.02
    # A handful of calls is on the way when the first refusal comes; from then on one now and then asks for more.
    assert len(api.refused) <= 10
    assert sum(moment > 10 for moment in api.refused) <= 4


def test_a_quota_halved_and_given_back_is_followed_both_ways(redis: Redis, account: str) -> None:
    api = Api(lambda seconds: 25 if 20 <= seconds < 50 else 50)
    fleet = Fleet(redis, account, 50, api)
    fleet.run(90)
    assert fleet.refused(0, 90) < 0.02
    assert fleet.used(1.1, 20, 50) >= 0.99
    assert fleet.used(22, 24, 25) >= 0.9
    assert fleet.used(24, 50, 25) >= 0.96
    assert fleet.used(66, 90, 50) >= 0.98
    assert not [moment for moment in api.refused if not 20 <= moment < 50]
    assert sum(21 <= moment < 50 for moment in api.refused) <= 5
    # Whatever the rate was, no second held more than what is configured.
    moments = sorted(api.accepted + api.refused)
    assert all(after - before >= 1 for before, after in zip(moments, moments[50:], strict=False))


def test_a_high_rate_is_followed_too(redis: Redis, account: str) -> None:
    fleet = Fleet(redis, account, 500, Api(lambda seconds: 500 if seconds < 4 else 240, 0.2))
    fleet.run(12)
    assert fleet.used(9, 12, 240) >= 0.95


def test_one_stray_refusal_costs_next_to_nothing(redis: Redis, account: str) -> None:
    fleet = Fleet(redis, account, 50, Api(lambda seconds: 0 if 10 <= seconds < 10.015 else 50))
    fleet.run(31)
    assert 0 < fleet.refused(0, 31) < 0.001
    assert fleet.used(1.1, 31, 50) >= 0.99


def test_a_stray_refusal_before_anything_is_proven_costs_next_to_nothing(redis: Redis, account: str) -> None:
    fleet = Fleet(redis, account, 50, Api(lambda seconds: 0 if 2.3 <= seconds < 2.33 else 50, 2.0))
    fleet.run(21)
    assert 0 < fleet.refused(0, 21) < 0.005
    assert fleet.used(1.1, 21, 50) >= 0.98


def test_strays_every_few_seconds_do_not_lower_the_rate(redis: Redis, account: str) -> None:
    fleet = Fleet(redis, account, 50, Api(lambda seconds: 0 if seconds % 5 < 0.015 else 50))
    fleet.run(61)
    assert fleet.refused(0, 61) > 0.002
    assert fleet.used(1.1, 61, 50) >= 0.985


def test_strays_every_other_second_lower_the_rate_a_little(redis: Redis, account: str) -> None:
    fleet = Fleet(redis, account, 50, Api(lambda seconds: 0 if seconds % 2 < 0.015 else 50))
    fleet.run(61)
    assert fleet.used(1.1, 61, 50) >= 0.9


@pytest.mark.parametrize("quota", [49, 48, 45])
def test_a_quota_a_little_lower_is_found_too(redis: Redis, account: str, quota: int) -> None:
    fleet = Fleet(redis, account, 50, Api(lambda _: quota))
    fleet.run(91)
    assert fleet.refused(0, 91) < 0.005
    assert fleet.used(10, 91, quota) >= 0.96


def test_an_outage_is_asked_ever_more_rarely_and_left_quickly(redis: Redis, account: str) -> None:
    api = Api(lambda seconds: 0 if 10 <= seconds < 70 else 50)
    fleet = Fleet(redis, account, 50, api)
    fleet.run(130)
    assert len(api.refused) < 40
    assert sum(40 <= moment < 70 for moment in api.refused) <= 4
    assert fleet.used(120, 130, 50) >= 0.99


def test_the_learned_rate_stays_between_its_bounds(redis: Redis, account: str) -> None:
    fleet = Fleet(redis, account, 5, Api(lambda seconds: 0 if seconds < 60 else 5, 0.1))
    fleet.run(140)
    rates = [rate for _, rate in fleet.rates]
    assert min(rates) >= 0.2
    assert max(rates) == 5
    assert rates[-1] == 5


@pytest.mark.parametrize("rate", [0.2, 0.5, 1, 2.5])
def test_slow_rates_are_kept(redis: Redis, account: str, rate: float) -> None:
    api = Api(lambda _: rate, 0.5)
    fleet = Fleet(redis, account, rate, api)
    fleet.run(120)
    assert api.refused == []
    most = int(rate) if rate >= 1 else rate
    assert len(api.accepted) >= int(110 * most * 0.98)


@pytest.mark.parametrize("quota", [30, 35, 38])
def test_two_configured_rates_in_one_fleet_do_not_undo_what_is_learned(
    redis: Redis, account: str, quota: float
) -> None:
    fleet = Fleet(redis, account, 40, Api(lambda _: quota), others=(35,))
    fleet.run(90)
    assert fleet.refused(0, 90) < 0.02
    assert fleet.used(20, 90, min(quota, 35)) >= 0.96


def test_a_fleet_of_two_configured_rates_keeps_to_the_lower_in_every_second(redis: Redis, account: str) -> None:
    api = Api(lambda _: 1000)
    Fleet(redis, account, 40, api, others=(35, 40)).run(30)
    assert max(bisect_left(api.accepted, begin + 1.0) - place for place, begin in enumerate(api.accepted)) <= 35
