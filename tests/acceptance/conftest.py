"""The command line as people run it: in its own process, against a sandbox on loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings

RUN_SECONDS = 120


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


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(sandbox: SandboxServer, tmp_path: Path) -> dict[str, str]:
    """What the commands see: a home of their own and the sandbox as a paid API."""
    sandbox.configure(faults={}, rate=100, latency=0.05)
    sandbox.reset()
    ours = {name.upper() for name in Settings.model_fields}
    port = sandbox.url.rstrip("/").rsplit(":", 1)[1]
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "CLEANPLATE_HOME": str(tmp_path / "home"),
        "REMOVAL_API_URL": f"{sandbox.url.rstrip('/')}/rest/ai/image/removal",
        "REMOVAL_API_KEY": "sandbox",
        "REMOVAL_API_SECRET": "sandbox",
        "REMOVAL_RATE": "50",
        "FETCH_ALLOW_PRIVATE": f"127.0.0.1:{port}",
        "RETRY_BASE_SECONDS": "0.1",
        "WEB_PORT": str(free_port()),
        "HOLD_UNCHANGED_BELOW": "0",  # the sandbox echoes
    }


@pytest.fixture
def cleanplate(environment: dict[str, str], tmp_path: Path) -> Cleanplate:
    """Run `cleanplate …` in a folder of its own and return how it ended."""

    def run(*arguments: str | Path, **extra: str) -> Finished:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *map(str, arguments)],
            env={**environment, "PYTHONPATH": os.getcwd(), **extra},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    return run
