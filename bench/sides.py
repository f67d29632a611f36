"""What is compared: ours, and each peer, started and fed in the same way."""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

from bench import usage
from bench.ground import Ground, start_process
from bench.peers.thread_loop import TABLE
from core.states import Send
from db.session import make_engine
from producer.intake import BatchOptions
from tests.chaos.fleet import Fleet, Role

UNLIMITED = 2000.0
"""What ours takes for the quota when there is none."""
PEERS_PYTHON = Path(".venv-peers/bin/python")


class Side(ABC):
    """One of those that are compared.

    Args:
        name: What it is called.
        ground: The servers.
        options: What was asked for.
        folder: Where its files go.
    """

    def __init__(self, name: str, ground: Ground, options: argparse.Namespace, folder: Path) -> None:
        self.name = name
        self.ground = ground
        self.options = options
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def start(self) -> None:
        """Start the processes."""

    @abstractmethod
    def submit(self, urls: list[str]) -> None:
        """Hand in photos."""

    @abstractmethod
    def done(self) -> int:
        """Return how many photos are done."""

    @abstractmethod
    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that clean photos."""

    def feeder_pids(self) -> list[int]:
        """Return the ids of the processes that feed them."""
        return []

    @abstractmethod
    def stop(self) -> None:
        """End the processes."""


class Ours(Side):
    """Dispatcher and workers, as `bench.fleet` starts them."""

    def start(self) -> None:
        """Start the processes."""
        options, store = self.options, self.folder / "store"
        store.mkdir(exist_ok=True)
        rate = options.rate or UNLIMITED
        settings = {
            "WORKER_CONCURRENCY": str(options.threads),
            "HOLD_UNCHANGED_BELOW": "0.00001",
            "ARTIFACT_STORE": "postgres" if options.store == "postgres" else f"file://{store.resolve()}",
        }
        fleet = Fleet(self.folder, rate=rate, latency=options.latency, servers=self.ground.servers, settings=settings)
        # It is started already, and others use it after this one.
        fleet.sandbox = self.ground.api
        fleet.database_url, fleet.redis_url = self.ground.servers
        fleet.engine = make_engine(fleet.database_url, pooled=False)
        self._fleet = fleet
        self._workers = [fleet.start("worker") for _ in range(options.processes)]
        self._dispatcher = fleet.start("dispatcher")
        self._webs: list[Role] = []

    def start_web(self) -> None:
        """Start the web application too."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self._webs.append(self._fleet.start("web", WEB_PORT=str(port)))

    def environment(self) -> dict[str, str]:
        """Return what its processes see."""
        return self._fleet.environment()

    def web_pids(self) -> list[int]:
        """Return the ids of the processes that serve pages."""
        return [role.process.pid for role in self._webs]

    def submit(self, urls: list[str]) -> None:
        """Hand in photos."""
        path = self.folder / f"urls-{time.monotonic_ns()}.txt"
        path.write_text("\n".join(urls) + "\n")
        self._fleet.submit(path, BatchOptions(send=Send.BYTES))

    def done(self) -> int:
        """Return how many photos are done."""
        found = self.ground.database.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        ended = {state: count for state, count in found if state not in {"pending", "queued", "running"}}
        assert set(ended) <= {"succeeded"}, f"not all went well: {ended}"
        return int(ended.get("succeeded", 0))

    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that clean photos: workers, and those that decode for them."""
        return [pid for role in self._workers for pid in usage.tree(role.process.pid)]

    def feeder_pids(self) -> list[int]:
        """Return the ids of the processes that feed them."""
        return [self._dispatcher.process.pid]

    def stop(self) -> None:
        """End the processes."""
        for role in [*self._webs, *self._workers, self._dispatcher]:
            role.stop()


class Peer(Side):
    """A queue with a task that does nothing but the work: `bench.peers.NAME_loop`.

    The plainest Celery loop, `bare`, runs in the Python that this runs in, the others in one of their own.
    """

    def start(self) -> None:
        """Start the processes."""
        self.ground.database.execute(TABLE.encode())
        self.ground.database.execute("TRUNCATE bare_results")
        options, out = self.options, self.folder / "out"
        out.mkdir(exist_ok=True)
        self._environment = {
            **os.environ,
            "BENCH_API": self.ground.api.api_url,
            "BENCH_REDIS": self.ground.servers.redis_url,
            "BENCH_POSTGRES": self.ground.dsn,
            "BENCH_OUT": str(out.resolve()),
            "BENCH_RATE": str(options.rate),
            "BENCH_THREADS": str(options.threads),
        }
        python = sys.executable if self.name == "bare" else str(PEERS_PYTHON)
        self._argv = [python, "-m", f"bench.peers.{'celery' if self.name == 'bare' else self.name}_loop"]
        work = [*self._argv, "work", str(options.processes), str(options.threads)]
        self._process = start_process(work, self._environment, self.folder / f"{self.name}.log")

    def submit(self, urls: list[str]) -> None:
        """Hand in photos."""
        subprocess.run([*self._argv, "send"], input="\n".join(urls), text=True, check=True, env=self._environment)

    def done(self) -> int:
        """Return how many photos are done."""
        row = self.ground.database.execute("SELECT count(*) FROM bare_results").fetchone()
        return int(row[0]) if row else 0

    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that clean photos."""
        return usage.tree(self._process.pid)

    def stop(self) -> None:
        """End the processes."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        # Some leave children behind that have not yet finished.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
