"""Messages go to Redis together, and what Redis does not take is said."""

from collections.abc import Iterator

import pytest
from redis import Redis

from core.errors import RedisDown
from core.states import Lane
from producer.publisher import Publisher

JOBS = [(number, 1) for number in range(1, 201)]


@pytest.fixture
def full(redis_client: Redis) -> Iterator[Redis]:
    """Yield a Redis that takes nothing more, for a while."""
    redis_client.config_set("maxmemory", "1")
    yield redis_client
    redis_client.config_set("maxmemory", "0")


def commands(redis_client: Redis) -> int:
    stats = redis_client.info("stats")
    return int(stats["total_reads_processed"])


def test_a_window_of_messages_takes_few_round_trips(publisher: Publisher, redis_client: Redis) -> None:
    publisher.publish(JOBS[:1], Lane.BULK)
    before = commands(redis_client)
    publisher.publish(JOBS[1:], Lane.BULK)
    # What is too much for one packet is read in several.
    assert commands(redis_client) - before < len(JOBS)
    assert publisher.list_waiting() == set(JOBS)


def test_what_redis_does_not_take_is_said(publisher: Publisher, full: Redis) -> None:
    with pytest.raises(RedisDown, match="sent again"):
        publisher.publish(JOBS, Lane.BULK)
    full.config_set("maxmemory", "0")
    assert publisher.list_waiting() == set()
    publisher.publish(JOBS[:3], Lane.BULK)
    assert publisher.list_waiting() == set(JOBS[:3])
