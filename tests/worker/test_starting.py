"""A worker is ready as soon as it can be, however many calls it may have in flight."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NOBODY = "http://127.0.0.1:9/rest/ai/image/removal"


@contextmanager
def starting(database_url: str, redis_url: str, concurrency: int) -> Iterator[Iterator[dict[str, Any]]]:
    """Start a worker and give what it logs, line by line."""
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REMOVAL_API_URL": NOBODY,
        "REMOVAL_API_KEY": "key",
        "WORKER_CONCURRENCY": str(concurrency),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "worker"],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert worker.stderr is not None
        yield (json.loads(line) for line in worker.stderr)
    finally:
        worker.kill()
        worker.communicate()


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize(("concurrency", "connections"), [(1, 3), (8, 12), (64, 16)])
def test_nothing_is_waited_for(database_url: str, redis_url: str, concurrency: int, connections: int) -> None:
    seen = []
    with starting(database_url, redis_url, concurrency) as lines:
        for line in lines:
            seen.append(line)
            if line["event"].endswith(" ready."):
                break
    # Celery warns of root.
    assert [line for line in seen if line["level"] != "info" and line["logger"] != "py.warnings"] == []
    assert [line["connections"] for line in seen if "connections" in line] == [connections]
