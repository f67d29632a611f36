"""The quota counts any sliding second, on the clock of the call's arrival."""

import json
import random
import re
import threading
from itertools import pairwise

import httpx
import pytest

from sandbox.quota import Quota
from tests.sandbox.calls import PATH, body, call, query
from tests.sandbox.conftest import Start


def most_in_a_window(times: list[float], window: float) -> int:
    return max((sum(start <= time < start + window for time in times) for start in times), default=0)


@pytest.mark.parametrize("rate", [1, 5, 7.9])
def test_no_window_holds_more_than_the_rate(rate: float) -> None:
    quota = Quota(rate)
    rng = random.Random(3)
    times = [rng.uniform(0, 20) for _ in range(800)]
    # Threads put calls in a little out of order.
    arrivals = sorted(times, key=lambda time: time + rng.uniform(0, 0.02))
    accepted = [time for time in arrivals if quota.take(time)]
    assert most_in_a_window(accepted, 1.0) == int(rate)
    assert len(accepted) > 0.8 * int(rate) * 20


def test_calls_one_second_apart_share_no_window() -> None:
    quota = Quota(2)
    assert [quota.take(at) for at in (10.0, 10.0, 10.5, 10.999, 11.0, 11.0, 11.001)] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_refused_call_costs_nothing() -> None:
    quota = Quota(1)
    assert quota.take(0.0)
    assert not any(quota.take(0.1 * step) for step in range(1, 10))
    assert quota.take(1.0)


def test_slow_rates_widen_the_window() -> None:
    quota = Quota(0.5)
    assert [quota.take(at) for at in (0.0, 1.5, 2.0)] == [True, False, True]


def test_over_http(start: Start) -> None:
    server, client = start(rate=0.01)
    assert [call(client).json()["resCode"] for _ in range(3)] == [200, 501, 501]
    stats = server.stats()
    assert (stats["accepted"], stats["throttled"]) == (1, 2)
    assert stats["max_in_second"] >= stats["max_accepted_in_second"] == 1


def test_exact_under_many_connections(start: Start) -> None:
    server, _ = start(rate=20, keep_times=True)
    content = json.dumps(body()).encode()

    def hammer() -> None:
        with httpx.Client(base_url=server.url, trust_env=False, verify=False) as client:
            for _ in range(15):
                client.post(PATH, params=query(), content=content)

    threads = [threading.Thread(target=hammer) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = server.stats()
    assert stats["received"] == 240
    assert stats["accepted"] + stats["throttled"] == 240
    times = stats["accepted_times"]
    assert len(times) == stats["accepted"] >= 20
    assert all(a <= b for a, b in pairwise(times))
    assert most_in_a_window(times, 1.0) <= 20


def test_throttle_styles(start: Start) -> None:
    server, client = start(rate=0.01, throttle_style="http429", ban_seconds=3)
    call(client)
    answer = call(client)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "3"
    server.configure(throttle_style="gateway")
    fields = call(client).json()
    assert fields["code"] == "ApiCallLimit"
    assert re.search(r"this ban will last 3 seconds", fields["message"])


def test_unsigned_calls_do_not_count(start: Start) -> None:
    _, client = start(rate=1)
    assert client.post(PATH, params=query(sign="no"), json=body()).json()["code"] == "IncompleteSignature"
    assert call(client).json()["resCode"] == 200
