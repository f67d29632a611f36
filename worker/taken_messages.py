"""Tells dispatchers which jobs' messages this worker has taken, for as long as it lives.

The broker's client keeps what was taken until it is done with, but not whose it is: what a killed worker had lies
beside what a slow one has. And of what is in memory a wiped Redis knows nothing.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from celery.worker import state
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.queues import HELD_PREFIX, HELD_SECONDS, HOLDERS_KEY

log = logging.getLogger(__name__)

TELL_SECONDS = 0.5
ANSWER_SECONDS = 1.0


@contextmanager
def telling_what_is_held(redis_url: str, name: str, claiming: Callable[[], Iterable[int]]) -> Iterator[None]:
    """Tell what this worker holds for as long as the block runs.

    Args:
        redis_url: The broker.
        name: Of the worker; no other one's.
        claiming: Returns the jobs that are being claimed, which Celery forgets when it loses its connection.
    """
    retry = Retry(NoBackoff(), 0)
    client = Redis.from_url(
        redis_url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=retry
    )
    stop = threading.Event()
    told: set[int] = set()

    def tell() -> None:
        nonlocal told
        held = {int(each.partition(".")[0]) for each in list(state.requests)} | set(claiming())
        # Of whom nothing is known it is known that they hold nothing.
        if not held and not told:
            return
        pipe = client.pipeline(transaction=False)
        pipe.sadd(HOLDERS_KEY, name)
        pipe.set(HELD_PREFIX + name, json.dumps(sorted(held)), px=round(HELD_SECONDS * 1000))
        pipe.execute()
        told = held

    def tell_until_stopped() -> None:
        while not stop.wait(TELL_SECONDS):
            _try(tell)

    def leave() -> None:
        client.srem(HOLDERS_KEY, name)
        client.delete(HELD_PREFIX + name)

    thread = threading.Thread(target=tell_until_stopped, name="holding", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _try(leave)
        client.close()


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except RedisError as error:
        log.debug("Redis does not take what this worker holds: %s", error)
    except Exception:
        # What nobody foresaw once must not end the telling: its messages would count as lost.
        log.exception("what this worker holds could not be told this time")
