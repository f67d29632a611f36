"""Putting job ids on the broker, and looking at where they are."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError
from redis import Redis, RedisError

from core.errors import RedisDown
from core.queues import (
    HELD_PREFIX,
    HOLDERS_KEY,
    KEY_PREFIX,
    SOCKET_SECONDS,
    TASK_NAMES,
    UNACKED_INDEX_KEY,
    UNACKED_KEY,
    celery_settings,
)
from core.states import Lane

log = logging.getLogger(__name__)


class Publisher:
    """Publishes jobs to their lane's queue.

    Args:
        redis_url: The broker.
    """

    def __init__(self, redis_url: str) -> None:
        self._app = Celery("cleanplate-producer", set_as_current=False)
        self._app.conf.update(celery_settings(redis_url))
        self._redis = Redis.from_url(
            redis_url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS, decode_responses=False
        )

    def publish(self, jobs: Iterable[tuple[int, int]], lane: Lane) -> None:
        """Send one message a job; the message is the job's id and nothing else.

        Args:
            jobs: (job id, dispatch number) pairs.
            lane: Whose queue.

        Raises:
            RedisDown: The broker does not answer; jobs without a message are found and sent again later.
        """
        try:
            with self._app.producer_pool.acquire(block=True) as producer, producer.batch():
                for job_id, dispatch in jobs:
                    self._app.send_task(
                        TASK_NAMES[lane],
                        args=(job_id,),
                        task_id=f"{job_id}.{dispatch}",
                        queue=lane.value,
                        producer=producer,
                        retry=False,
                    )
        except (OperationalError, BatchPublishError, RedisError, OSError) as error:
            raise RedisDown(f"Redis does not take messages ({error}); they are sent again when it does") from error

    def list_waiting(self) -> set[tuple[int, int]]:
        """Return (job id, dispatch number) of every message that no worker has taken yet.

        Raises:
            RedisDown: The broker does not answer.
        """
        with _answering():
            found = [raw for lane in Lane for raw in self._redis.lrange(KEY_PREFIX + lane.value, 0, -1)]
        return {_sent_as(json.loads(raw)) for raw in found}

    def list_held(self) -> set[int]:
        """Return the id of every job whose message a worker says it has; one that fell silent says nothing.

        Raises:
            RedisDown: The broker does not answer.
        """
        with _answering():
            names = [name.decode() for name in self._redis.smembers(HOLDERS_KEY) if isinstance(name, bytes)]
            told = self._redis.mget([HELD_PREFIX + name for name in names]) if names else []
            gone = [name for name, held in zip(names, told, strict=True) if held is None]
            if gone:
                self._redis.srem(HOLDERS_KEY, *gone)
        return {int(job_id) for held in told if held is not None for job_id in json.loads(held)}

    def list_taken(self) -> set[tuple[int, int]]:
        """Return (job id, dispatch number) of every message that some worker took and did not end, if it lives or not.

        Raises:
            RedisDown: The broker does not answer.
        """
        with _answering():
            found = self._redis.hvals(UNACKED_KEY)
        return {_sent_as(json.loads(raw)[0]) for raw in found}

    def forget_taken(self, messages: set[tuple[int, int]]) -> None:
        """Take these messages, as `list_taken` told them, out of those that are taken.

        Raises:
            RedisDown: The broker does not answer.
        """
        with _answering(), self._redis.pipeline() as pipe:
            for tag, raw in self._redis.hgetall(UNACKED_KEY).items():
                if _sent_as(json.loads(raw)[0]) in messages:
                    pipe.hdel(UNACKED_KEY, tag)
                    pipe.zrem(UNACKED_INDEX_KEY, tag)
            pipe.execute()

    def close(self) -> None:
        """Let go of the connections."""
        self._app.close()
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sent_as(message: dict[str, Any]) -> tuple[int, int]:
    job_id, _, dispatch = str(message["headers"]["id"]).partition(".")
    return int(job_id), int(dispatch)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise RedisDown(f"Redis does not answer ({error})") from error
