"""The stack that is up looks at itself ever and again, and takes next to nothing for it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import Engine, event, text

from cli.commands import roles
from db.session import make_engine
from localstack.roles import Endpoints

LOOKS = 5


class Stack:
    """Servers and processes that run already."""

    endpoints: Endpoints

    def __init__(self, *_: Any, **__: Any) -> None:
        self.checks = 0

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check(self) -> None:
        """Keep our processes running."""
        self.checks += 1


class Stop(threading.Event):
    """Is set after some looks; before the third one PostgreSQL ends all sessions, as when it is restarted."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.rests: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.rests.append(timeout)
        if len(self.rests) == 3:
            with self._engine.begin() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
        return len(self.rests) > LOOKS


def test_it_looks_over_connections_that_it_keeps(
    engine: Engine, database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []

    def make_counted(url: str, **options: Any) -> Engine:
        made = make_engine(url, **options)
        event.listen(made, "connect", lambda *_: connected.append(url))
        return made

    stop = Stop(engine)
    Stack.endpoints = Endpoints(database_url, redis_url, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(roles, "LocalStack", Stack)
    monkeypatch.setattr(roles, "make_engine", make_counted)
    monkeypatch.setattr(roles, "stop_on_signals", lambda: stop)
    with Redis.from_url(redis_url) as redis:

        def clients() -> int:
            found: Any = redis.info("stats")
            return int(found["total_connections_received"])

        before = clients()
        done = CliRunner().invoke(roles.up, env={"CLEANPLATE_HOME": str(tmp_path / "home")})
        assert done.exit_code == 0, done.output
        assert clients() == before + 1
    assert "nothing is waiting" in done.output
    assert stop.rests == [roles.STANDING_SECONDS] * (LOOKS + 1)
    # The second one after all sessions had ended.
    assert connected == [database_url] * 2
