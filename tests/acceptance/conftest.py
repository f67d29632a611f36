"""The command line as people run it: in its own process, against a sandbox on loopback."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from localstack.ports import free_port
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from tests.acceptance.forked import run_forked
from tests.servers import Servers

RUN_SECONDS = 300


@dataclass(frozen=True)
class Finished:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        return dict(json.loads(self.out))


Cleanplate = Callable[..., Finished]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    """A sandbox that echoes, with a quota no test here reaches by itself."""
    with SandboxServer(SandboxSettings(rate=100, latency=0.05, echo=True)) as server:
        yield server


@pytest.fixture
def environment(sandbox: SandboxServer, tmp_path: Path, servers: Servers) -> dict[str, str]:
    """What the commands see: a home and a database of their own, and the sandbox as a paid API."""
    sandbox.configure(faults={}, rate=100, latency=0.05)
    sandbox.reset()
    ours = {name.upper() for name in Settings.model_fields}
    port = sandbox.url.rstrip("/").rsplit(":", 1)[1]
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "CLEANPLATE_HOME": str(tmp_path / "home"),
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "REMOVAL_API_URL": f"{sandbox.url.rstrip('/')}/rest/ai/image/removal",
        "REMOVAL_API_KEY": "sandbox",
        "REMOVAL_API_SECRET": "sandbox",
        "REMOVAL_RATE": "50",
        "FETCH_ALLOW_PRIVATE": f"127.0.0.1:{port}",
        "RETRY_BASE_SECONDS": "0.1",
        "WEB_PORT": str(free_port()),
        "FLOWER_PORT": str(free_port()),
        "HOLD_UNCHANGED_BELOW": "0",  # the sandbox echoes
        "PROOF": "off",  # these photos are gradients
    }


@pytest.fixture
def nothing_configured(environment: dict[str, str]) -> None:
    """Let the commands start the servers that they need, as they do where nothing is configured."""
    del environment["DATABASE_URL"], environment["REDIS_URL"]


@pytest.fixture
def cleanplate(environment: dict[str, str], tmp_path: Path) -> Cleanplate:
    """Run `cleanplate …` in a folder of its own and return how it ended."""

    def run(*arguments: str | Path, **extra: str) -> Finished:
        given = {**environment, "PYTHONPATH": os.getcwd(), **extra}
        done = Finished(*run_forked([str(word) for word in arguments], given, tmp_path, RUN_SECONDS))
        assert "Traceback" not in done.err, done.err
        return done

    return run
