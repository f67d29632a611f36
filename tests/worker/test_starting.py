"""A worker is ready as soon as it can be, however many calls it may have in flight."""

from typing import Any

import pytest
from celery import Celery

from core.queues import celery_settings
from db import processes
from tests.worker.running import running_worker
from worker.process import HEARTBEAT_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize(("concurrency", "connections"), [(1, 3), (8, 12), (64, 16)])
def test_nothing_is_waited_for(database_url: str, redis_url: str, concurrency: int, connections: int) -> None:
    with running_worker(database_url, redis_url, concurrency) as worker:
        seen = worker.lines_until_ready()
    # Celery warns of root.
    assert [line for line in seen if line["level"] != "info" and line["logger"] != "py.warnings"] == []
    assert [line["connections"] for line in seen if "connections" in line] == [connections]


def test_flower_is_told_that_it_lives_as_often_as_everybody_else(database_url: str, redis_url: str) -> None:
    told: list[dict[str, Any]] = []
    app = Celery(set_as_current=False)
    app.conf.update(celery_settings(redis_url))
    with running_worker(database_url, redis_url, 1) as worker, app.connection_for_read() as connection:
        worker.lines_until_ready()
        receiver = app.events.Receiver(connection)

        def note(event: dict[str, Any]) -> None:
            told.append(event)
            receiver.should_stop = True

        receiver.handlers["worker-heartbeat"] = note
        receiver.capture(timeout=60)
    assert [each["freq"] for each in told] == [HEARTBEAT_SECONDS] == [processes.BEAT_SECONDS]
