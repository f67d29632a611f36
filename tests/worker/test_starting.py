"""A worker is ready as soon as it can be, however many calls it may have in flight."""

import pytest

from tests.worker.running import running_worker


@pytest.mark.slow
@pytest.mark.parametrize(("concurrency", "connections"), [(1, 3), (8, 12), (64, 16)])
def test_nothing_is_waited_for(database_url: str, redis_url: str, concurrency: int, connections: int) -> None:
    with running_worker(database_url, redis_url, concurrency) as worker:
        seen = worker.lines_until_ready()
    # Celery warns of root.
    assert [line for line in seen if line["level"] != "info" and line["logger"] != "py.warnings"] == []
    assert [line["connections"] for line in seen if "connections" in line] == [connections]
