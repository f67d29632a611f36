"""A small fleet of real processes to hurt: sandbox, PostgreSQL, Valkey, dispatcher, workers."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from PIL import Image
from redis import Redis
from sqlalchemy import text

from db import batches, tallies
from db.batches import BatchRow
from db.migrate import upgrade
from db.session import make_engine, transact
from db.tallies import BatchCounts
from localstack.embedded import EmbeddedPostgres, EmbeddedValkey
from localstack.place import remove_place
from producer.catalogue.source import read_source
from producer.intake import BatchOptions, submit
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from tests.servers import FAST, Servers, make_server_home

ROLE_STOP_SECONDS = 120


class SandboxProcess:
    """The sandbox in a process of its own, steered over its admin pages."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._argv = [sys.executable, "-m", "sandbox", "--port", "0", "--echo", "--keep-times"]
        self._argv += ["--rate", str(settings.rate), "--latency", str(settings.latency)]
        self.url = ""

    def start(self) -> None:
        """Start it and learn its port."""
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """Return what it counted."""
        return dict(httpx.get(f"{self.url}/admin/stats", timeout=30).raise_for_status().json())

    def configure(self, **changes: Any) -> None:
        """Change its settings while it runs."""
        httpx.post(f"{self.url}/admin/config", json=changes, timeout=30).raise_for_status()


def make_photos(folder: Path, count: int) -> Path:
    """Write `count` small, distinct photos."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        shade = (number % 200 + 20, (number * 7) % 200 + 20, (number * 13) % 200 + 20)
        image = Image.new("RGB", (512, 512), shade)
        left, top = number % 40 * 10, number // 40 % 40 * 10
        image.paste((255, 255, 255), (left, top, left + 60, top + 60))
        image.save(folder / f"p{number:04}.jpg", quality=80)
    return folder


class Role:
    """One of our processes."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.main", name],
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL the whole group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> int:
        """SIGTERM, wait, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(ROLE_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode


class Fleet:
    """Everything a batch needs, each part of its own so that it can be hurt alone.

    Args:
        folder: Where data and logs go.
        rate: The sandbox's true quota and, unless `settings` says otherwise, the configured one.
        latency: Seconds per call.
        servers: URLs of a database and a Redis to use; without them it has servers of its own, to be hurt.
        apart: Run the sandbox in a process of its own, so that it counts punctually.
        settings: Further environment variables of dispatcher and workers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rate: float,
        latency: float,
        servers: Servers | None = None,
        apart: bool = False,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.rate = rate
        told = SandboxSettings(rate=rate, latency=latency, echo=True, keep_times=True)
        self.sandbox: SandboxServer | SandboxProcess = SandboxProcess(told) if apart else SandboxServer(told)
        self._servers = servers
        home = folder if servers else make_server_home()
        self.postgres = EmbeddedPostgres(home, settings=FAST)
        self.valkey = EmbeddedValkey(home)
        self.roles: list[Role] = []
        self._settings = settings or {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sandbox.start()
        if self._servers:
            self.database_url, self.redis_url = self._servers
        else:
            self.database_url, self.redis_url = self.postgres.start(), self.valkey.start()
            upgrade(self.database_url)
        self.engine = make_engine(self.database_url, pooled=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for role in self.roles:
            if role.process.poll() is None:
                role.kill()
        self.engine.dispose()
        self.sandbox.stop()
        if not self._servers:
            self.valkey.stop()
            self.postgres.stop()
            remove_place(self.postgres.home)
        if error is not None:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}")

    def start(self, name: str, **extra: str) -> Role:
        """Start a dispatcher or a worker."""
        role = Role(name, self.environment(**extra), self.folder / f"{name}-{len(self.roles)}.log")
        self.roles.append(role)
        return role

    def environment(self, **extra: str) -> dict[str, str]:
        """Return what its processes see."""
        port = self.sandbox.url.rsplit(":", 1)[1].strip("/")
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "REMOVAL_API_URL": f"{self.sandbox.url}/rest/ai/image/removal",
            "REMOVAL_API_KEY": "sandbox",
            "REMOVAL_API_SECRET": "sandbox",
            "REMOVAL_RATE": str(self.rate),
            "FETCH_ALLOW_PRIVATE": f"127.0.0.1:{port}",
            "LEASE_SECONDS": "30",
            "RETRY_BASE_SECONDS": "0.2",
            "HOLD_UNCHANGED_BELOW": "0",  # the sandbox echoes
            "PROOF": "off",  # these photos are gradients
            **self._settings,
            **extra,
        }

    def running(self, name: str) -> Role:
        """Return the newest process of a role that still runs."""
        return next(role for role in reversed(self.roles) if role.name == name and role.process.poll() is None)

    def submit(self, photos: Path, options: BatchOptions | None = None) -> int:
        """Hand in a folder and return the batch's id."""
        options = options or BatchOptions()
        with self.engine.begin() as connection:
            return submit(connection, read_source(photos), name="t", source=str(photos), options=options).batch_id

    def batch(self, batch_id: int) -> BatchRow:
        """Return the batch as it stands."""
        with self.engine.connect() as connection:
            row = batches.get(connection, batch_id)
        assert row is not None
        return row

    def counts(self, batch_id: int) -> BatchCounts:
        """Return how the batch stands; waits out a restart of PostgreSQL."""
        return transact(self.engine, lambda connection: tallies.counts(connection, batch_id), patience_seconds=20)

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for something to come true.

        Raises:
            AssertionError: It did not in time.
        """
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"not in {seconds} s"
            pause.wait(0.1)

    def wait_for_done(self, batch_id: int, done: int, seconds: float = 120) -> None:
        """Wait until so many photos succeeded."""
        self.wait_until(lambda: self.counts(batch_id).succeeded >= done, seconds)

    def stats(self) -> dict[str, Any]:
        """Return what the sandbox counted."""
        return self.sandbox.stats()

    def configure(self, **changes: Any) -> None:
        """Change the sandbox while it runs."""
        self.sandbox.configure(**changes)

    def in_flight(self) -> int:
        """Return how many calls are open in the sandbox right now."""
        return int(self.sandbox.stats()["in_flight"])

    def artifacts_per_job(self, batch_id: int) -> Sequence[int]:
        """Return, for each job, how many artifacts it has (0 or 1)."""
        with self.engine.connect() as connection:
            statement = text(
                "SELECT count(a.sha256) FROM jobs AS j LEFT JOIN artifacts AS a ON a.sha256 = j.artifact_sha256 "
                "WHERE j.batch_id = :id GROUP BY j.id"
            )
            return list(connection.execute(statement, {"id": batch_id}).scalars())

    def redis(self) -> "Redis":
        """Return a client of the broker."""
        return Redis.from_url(self.redis_url)
