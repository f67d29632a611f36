"""A worker in a process of its own, without anybody to call."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

NOBODY = "http://127.0.0.1:9/rest/ai/image/removal"


@dataclass(frozen=True)
class RunningWorker:
    """A worker that was started."""

    process: "subprocess.Popen[str]"

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what it logs."""
        assert self.process.stderr is not None
        return (json.loads(line) for line in self.process.stderr)

    def lines_until_ready(self) -> list[dict[str, Any]]:
        """Return what it logs until it takes messages."""
        seen = []
        for line in self.lines():
            seen.append(line)
            if line["event"].endswith(" ready."):
                return seen
        raise AssertionError(f"it ended before it was ready: {seen}")

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_worker(database_url: str, redis_url: str, concurrency: int) -> Iterator[RunningWorker]:
    """Start a worker, and kill it in the end."""
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REMOVAL_API_URL": NOBODY,
        "REMOVAL_API_KEY": "key",
        "WORKER_CONCURRENCY": str(concurrency),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli.main", "worker"],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    worker = RunningWorker(process)
    try:
        yield worker
    finally:
        worker.kill()
        assert process.stderr is not None
        process.stderr.close()
