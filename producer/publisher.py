"""Putting job ids on the broker, and looking at what still waits there."""

import json
import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from core.errors import RedisDown
from core.queues import KEY_PREFIX, SOCKET_SECONDS, TASK_NAMES, celery_settings
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
            with self._app.producer_pool.acquire(block=True) as producer:
                for job_id, dispatch in jobs:
                    self._app.send_task(
                        TASK_NAMES[lane],
                        args=(job_id,),
                        task_id=f"{job_id}.{dispatch}",
                        queue=lane.value,
                        producer=producer,
                        retry=False,
                    )
        except (OperationalError, RedisError, OSError) as error:
            raise RedisDown(f"Redis does not take messages ({error}); they are sent again when it does") from error

    def list_waiting(self) -> set[tuple[int, int]]:
        """Return (job id, dispatch number) of every message that no worker has taken yet.

        Raises:
            RedisDown: The broker does not answer.
        """
        waiting = set()
        try:
            for lane in Lane:
                for raw in self._redis.lrange(KEY_PREFIX + lane.value, 0, -1):
                    job_id, _, dispatch = str(json.loads(raw)["headers"]["id"]).partition(".")
                    waiting.add((int(job_id), int(dispatch)))
        except RedisError as error:
            raise RedisDown(f"Redis does not answer ({error})") from error
        return waiting

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
