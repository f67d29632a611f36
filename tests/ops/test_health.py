"""Who is alive: as containers ask, and as the console shows."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import Engine, text

from db import processes
from db.heart import heart
from tests.ops.conftest import Watched

pytestmark = pytest.mark.timeout(240)


def health(watched: Watched, role: str) -> int:
    environment = {
        **os.environ,
        "DATABASE_URL": watched.fleet.database_url,
        "REDIS_URL": watched.fleet.redis_url,
        "WEB_PORT": str(watched.ports["pages"]),
        "FLOWER_PORT": str(watched.ports["flower"]),
        "FLOWER_BASIC_AUTH": "ops:not-to-be-told-3",
    }
    command = [sys.executable, "-m", "cli.main", "health", role]
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False).returncode


@pytest.mark.parametrize("role", ["web", "dispatcher", "worker", "flower"])
def test_each_role_is_well(watched: Watched, role: str) -> None:
    assert health(watched, role) == 0


def test_a_frozen_worker_is_not_well(watched: Watched) -> None:
    worker = watched.fleet.running("worker")
    os.kill(worker.process.pid, signal.SIGSTOP)
    try:
        assert health(watched, "worker") == 5
    finally:
        os.kill(worker.process.pid, signal.SIGCONT)
    watched.fleet.wait_until(lambda: health(watched, "worker") == 0, 60)


def seen(engine: Engine) -> list[tuple[str, bool, bool]]:
    with engine.connect() as connection:
        return [(each.name, each.is_alive, each.is_leader) for each in processes.list_recent(connection)]


def test_a_process_shows_itself_and_leaves(engine: Engine) -> None:
    with heart(engine, "a-1", "dispatcher", is_leader=lambda: True):
        deadline = time.monotonic() + 10
        while not seen(engine) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert seen(engine) == [("a-1", True, True)]
        with engine.begin() as connection:
            connection.execute(text("UPDATE processes SET seen_at = now() - interval '20 seconds'"))
        assert seen(engine) == [("a-1", False, True)]
    assert seen(engine) == []


def test_one_whose_work_has_stopped_does_not_show_itself(engine: Engine) -> None:
    asked = threading.Event()

    def is_well() -> bool:
        asked.set()
        return False

    with heart(engine, "a-1", "dispatcher", is_well=is_well):
        assert asked.wait(10)
        assert seen(engine) == []
