"""Who is alive: as containers ask, and as the console shows."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import pytest
from sqlalchemy import Engine, text

from cli.commands import health as command
from core.errors import RedisDown, UnavailableError, UsageError
from core.machine import pid_here
from db import heart as heart_module
from db import processes
from db.heart import heart
from tests.ops.conftest import Watched
from tests.ops.hanging import Hanging


def health(watched: Watched, role: str) -> int:
    environment = {
        **os.environ,
        "DATABASE_URL": watched.fleet.database_url,
        "REDIS_URL": watched.fleet.redis_url,
        "WEB_PORT": str(watched.ports["pages"]),
        "FLOWER_PORT": str(watched.ports["flower"]),
        "FLOWER_BASIC_AUTH": "ops:not-to-be-told-3",
    }
    command = [sys.executable, "-P", "-m", "cli.main", "health", role]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False).returncode


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
    watched.fleet.wait_until(lambda: health(watched, "worker") == 0, 120)


def test_all_workers_of_a_machine_have_to_answer(watched: Watched) -> None:
    other = watched.fleet.start("worker")
    name = f"-{other.process.pid}-"
    watched.fleet.wait_until(lambda: any(name in each for each, _, _ in seen(watched.fleet.engine)), 120)
    watched.fleet.wait_until(lambda: health(watched, "worker") == 0, 120)
    os.kill(other.process.pid, signal.SIGSTOP)
    try:
        assert health(watched, "worker") == 5
    finally:
        os.kill(other.process.pid, signal.SIGCONT)
        other.stop()


def ask(role: str, **settings: str) -> None:
    """Ask as the command does, in this process."""
    with pytest.MonkeyPatch.context() as patch, click.Context(command.health):
        for name in ("DATABASE_URL", "REDIS_URL"):
            patch.setenv(name, settings.get(name.lower(), ""))
        patch.setattr(socket, "gethostname", lambda: "vm")
        assert command.health.callback is not None
        command.health.callback(role)


def show(engine: Engine, name: str, role: str, *, silent: bool = False) -> None:
    with engine.begin() as connection:
        processes.beat(connection, name, role)
        if silent:
            old = text("UPDATE processes SET seen_at = now() - interval '1 minute' WHERE name = :name")
            connection.execute(old, {"name": name})


def test_a_worker_is_not_well_without_redis(engine: Engine, database_url: str) -> None:
    with running("worker") as pid, Hanging() as where:
        show(engine, f"vm-{pid}-abcd", "worker")
        for address in (where, "127.0.0.1:1"):
            with pytest.raises(RedisDown):
                ask("worker", database_url=database_url, redis_url=f"redis://{address}/0")


@pytest.mark.parametrize(("role", "name"), [("dispatcher", "vm-2-4242"), ("worker", "vm-2-4242-abcd")])
def test_another_machine_with_a_name_that_begins_alike_is_not_this_one(
    engine: Engine, database_url: str, role: str, name: str
) -> None:
    show(engine, name, role)
    with pytest.raises(UnavailableError, match=r"No (worker|dispatcher) of vm runs"):
        ask(role, database_url=database_url, redis_url="redis://127.0.0.1:1/0")


@contextmanager
def running(*arguments: str) -> Iterator[int]:
    """Run something that looks like one of our processes."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_a_process_that_fell_silent_and_still_runs_is_not_well(engine: Engine, database_url: str) -> None:
    with running("dispatcher") as pid, running("dispatcher") as well, running("something", "else") as other:
        show(engine, f"vm-{well}", "dispatcher")
        show(engine, f"vm-{other}", "dispatcher", silent=True)
        ask("dispatcher", database_url=database_url)
        show(engine, f"vm-{pid}", "dispatcher", silent=True)
        with pytest.raises(UnavailableError, match=f"vm-{pid} still runs"):
            ask("dispatcher", database_url=database_url)
        with engine.begin() as connection:
            processes.leave(connection, f"vm-{pid}")
        ask("dispatcher", database_url=database_url)


def test_one_that_was_killed_is_not_well_and_its_successor_is_at_once(engine: Engine, database_url: str) -> None:
    with running("dispatcher") as killed:
        show(engine, f"vm-{killed}", "dispatcher")
        ask("dispatcher", database_url=database_url)
    with pytest.raises(UnavailableError, match="No dispatcher of vm runs"):
        ask("dispatcher", database_url=database_url)
    with running("dispatcher") as successor:
        show(engine, f"vm-{successor}", "dispatcher")
        ask("dispatcher", database_url=database_url)


def test_who_starts_takes_the_place_of_those_that_were_killed_here(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "vm")
    with running("worker") as killed:
        pass
    with running("worker") as colleague:
        gone = [f"vm-{killed}-aaaa", f"vm-{os.getpid()}-aaaa"]
        stay = [f"vm-{colleague}-aaaa", f"vm-2-{killed}-aaaa"]
        for name in gone + stay:
            show(engine, name, "worker")
        show(engine, f"vm-{killed}", "dispatcher")
        with heart(engine, "vm-1-bbbb", "worker"):
            deadline = time.monotonic() + 30
            while not any(name == "vm-1-bbbb" for name, _, _ in seen(engine)) and time.monotonic() < deadline:
                time.sleep(0.02)
            found = {name for name, _, _ in seen(engine)}
    assert found == {*stay, f"vm-{killed}", "vm-1-bbbb"}


def test_a_number_that_looks_like_a_random_word_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "vm")
    assert pid_here("vm-3497", "dispatcher") == 3497
    assert pid_here("vm-2-3497", "dispatcher") is None
    assert pid_here("vm-2-3497", "worker") == 2
    assert pid_here("vm-2-3497-abcd", "worker") is None


def test_a_process_that_was_started_again_under_its_number_is_well(engine: Engine, database_url: str) -> None:
    with running("worker") as pid:
        show(engine, f"vm-{pid}-aaaa", "worker", silent=True)
        show(engine, f"vm-{pid}-bbbb", "worker")
        with pytest.raises(RedisDown):
            ask("worker", database_url=database_url, redis_url="redis://127.0.0.1:1/0")


def test_what_nobody_was_told_of_cannot_be_asked() -> None:
    with pytest.raises(UsageError, match="needs DATABASE_URL and REDIS_URL"):
        ask("worker")
    with pytest.raises(UsageError, match="needs DATABASE_URL"):
        ask("dispatcher")


def seen(engine: Engine) -> list[tuple[str, bool, bool]]:
    with engine.connect() as connection:
        return [(each.name, each.is_alive, each.is_leader) for each in processes.list_recent(connection)]


def test_a_process_shows_itself_and_leaves(engine: Engine) -> None:
    with heart(engine, "a-1", "dispatcher", is_leader=lambda: True):
        deadline = time.monotonic() + 60
        while not seen(engine) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert seen(engine) == [("a-1", True, True)]
        with engine.begin() as connection:
            connection.execute(text("UPDATE processes SET seen_at = now() - interval '20 seconds'"))
        assert seen(engine) == [("a-1", False, True)]
    assert seen(engine) == []


@pytest.mark.parametrize(
    ("leads", "rest"), [(None, processes.BEAT_SECONDS), (lambda: False, heart_module.LOOK_SECONDS)]
)
def test_only_who_may_lead_looks_between_two_beats(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, leads: Callable[[], bool] | None, rest: float
) -> None:
    rests: list[float | None] = []
    rested = threading.Event()

    class Noted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread().name == "heart":
                rests.append(timeout)
                rested.set()
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Event", Noted)
    with heart(engine, "a-1", "dispatcher", is_leader=leads):
        assert rested.wait(60)
    assert set(rests) == {rest}


def test_one_whose_work_has_stopped_does_not_show_itself(engine: Engine) -> None:
    asked = threading.Event()

    def is_well() -> bool:
        asked.set()
        return False

    with heart(engine, "a-1", "dispatcher", is_well=is_well):
        assert asked.wait(60)
        assert seen(engine) == []
