"""Ours beside the plainest Celery loop, in one run: `python -m bench.beside --rate 50 --latency 1 --photos 600`.

Both clean the same photos, fetched over HTTP and sent as Base64, at the same stand-in API, with the same PostgreSQL and
Redis, one after the other. Each has run once through all its threads, and then come to rest, before anything is
counted, so that nobody's start is in it. Prints one JSON object a line; what is not said to be a share is per photo.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import usage
from bench.figures import Figures, tell
from bench.fleet import used
from bench.ground import STATISTICS_SECONDS, Ground, quiet, start_process
from bench.peers.loop import TABLE
from bench.usage import Usage
from core.states import Send
from db.session import make_engine
from producer.intake import BatchOptions
from tests.chaos.fleet import Fleet

PATIENCE_SECONDS = 900.0
UNLIMITED = 2000.0
"""What ours takes for the quota when there is none."""
LOGGED_PHOTOS = 200
IDLE_SECONDS = STATISTICS_SECONDS


class Side(ABC):
    """One of those that are compared.

    Args:
        ground: The servers.
        options: What was asked for.
        folder: Where its files go.
    """

    name: str

    def __init__(self, ground: Ground, options: argparse.Namespace, folder: Path) -> None:
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
    def is_done(self, photos: int) -> bool:
        """Return whether so many are done, since the beginning."""

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

    name = "ours"

    def start(self) -> None:
        """Start the processes."""
        options = self.options
        settings = {
            "WORKER_CONCURRENCY": str(options.threads),
            "REMOVAL_RATE": str(options.rate or UNLIMITED),
            "HOLD_UNCHANGED_BELOW": "0.00001",
            "ARTIFACT_STORE": "postgres" if options.store == "postgres" else f"file://{self.folder / 'store'}",
        }
        (self.folder / "store").mkdir(exist_ok=True)
        rate = options.rate or UNLIMITED
        self._fleet = Fleet(
            self.folder, rate=rate, latency=options.latency, servers=self.ground.servers, settings=settings
        )
        # It is started already, and others use it after this one.
        self._fleet.sandbox = self.ground.api
        self._fleet.database_url, self._fleet.redis_url = self.ground.servers
        self._workers = [self._fleet.start("worker") for _ in range(options.processes)]
        self._dispatcher = self._fleet.start("dispatcher")

    def submit(self, urls: list[str]) -> None:
        """Hand in photos."""
        path = self.folder / f"urls-{time.monotonic_ns()}.txt"
        path.write_text("\n".join(urls) + "\n")
        self._fleet.engine = make_engine(self.ground.servers.database_url, pooled=False)
        self._fleet.submit(path, BatchOptions(send=Send.BYTES))
        self._fleet.engine.dispose()

    def is_done(self, photos: int) -> bool:
        """Return whether so many are done, since the beginning."""
        states = self.ground.database.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        ended = {state: count for state, count in states if state not in {"pending", "queued", "running"}}
        assert set(ended) <= {"succeeded"}, f"not all went well: {ended}"
        return bool(ended.get("succeeded", 0) >= photos)

    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that clean photos."""
        return [role.process.pid for role in self._workers]

    def feeder_pids(self) -> list[int]:
        """Return the ids of the processes that feed them."""
        return [self._dispatcher.process.pid]

    def stop(self) -> None:
        """End the processes."""
        for role in [*self._workers, self._dispatcher]:
            role.stop()


class Bare(Side):
    """A Celery task that does nothing but the work."""

    name = "bare"

    def start(self) -> None:
        """Start the processes."""
        self.ground.database.execute(TABLE.encode())
        self.ground.database.execute("TRUNCATE bare_results")
        options = self.options
        (self.folder / "out").mkdir(exist_ok=True)
        self._environment = {
            **os.environ,
            "BENCH_API": self.ground.api.api_url,
            "BENCH_REDIS": self.ground.servers.redis_url,
            "BENCH_POSTGRES": self.ground.dsn,
            "BENCH_OUT": str(self.folder / "out"),
            "BENCH_RATE": str(options.rate),
            "BENCH_THREADS": str(options.threads),
        }
        argv = [sys.executable, "-m", "celery", "-A", "bench.peers.celery_loop", "worker", "-P", "threads"]
        argv += ["-c", str(options.threads), "--loglevel", "warning"]
        self._processes = [
            start_process([*argv, "-n", f"bare{number}@%h"], self._environment, self.folder / f"bare-{number}.log")
            for number in range(options.processes)
        ]

    def submit(self, urls: list[str]) -> None:
        """Hand in photos."""
        code = "import sys; from bench.peers.celery_loop import send; send(sys.stdin.read().split())"
        subprocess.run(
            [sys.executable, "-c", code], input="\n".join(urls), text=True, check=True, env=self._environment
        )

    def is_done(self, photos: int) -> bool:
        """Return whether so many are done, since the beginning."""
        row = self.ground.database.execute("SELECT count(*) FROM bare_results").fetchone()
        return row is not None and row[0] >= photos

    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that clean photos."""
        return [process.pid for process in self._processes]

    def stop(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


SIDES: dict[str, type[Side]] = {"bare": Bare, "ours": Ours}


def main() -> None:
    """Compare as asked for on the command line, and print it."""
    tell(measure(read_options()))


def read_options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for on the command line, or in `argv`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=0.0, help="quota in calls per second; 0: none")
    parser.add_argument("--photos", type=int, default=1500, help="photos that are counted")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that a call takes")
    parser.add_argument("--processes", type=int, default=2, help="worker processes")
    parser.add_argument("--threads", type=int, default=50, help="photos in flight per process")
    parser.add_argument("--only", choices=sorted(SIDES), help="one side alone")
    parser.add_argument("--store", choices=("file", "postgres"), default="file", help="where ours keeps outputs")
    parser.add_argument("--durable", action="store_true", help="let PostgreSQL wait for its disk")
    parser.add_argument("--no-statements", action="store_true", help="leave out the count of statements")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Figures]]:
    """Yield each side's name and figures."""
    with (
        tempfile.TemporaryDirectory() as name,
        Ground(options.rate, options.latency, is_durable=options.durable) as ground,
    ):
        for side, kind in SIDES.items():
            if options.only in {None, side}:
                yield side, run(kind(ground, options, Path(name) / side))
                ground.redis.flushall()


def run(side: Side) -> Figures:
    """Start one side, let it clean photos, and return what that took."""
    side.start()
    try:
        return _run(side)
    except BaseException:
        for log in sorted(side.folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise
    finally:
        side.stop()


def _run(side: Side) -> Figures:
    options, ground = side.options, side.ground
    warm = options.processes * options.threads * 2
    _clean(side, 0, warm)
    quiet(lambda: usage.of_processes([*side.worker_pids(), *side.feeder_pids()]))
    idle = _idle(side)
    before, counted = _usages(side), ground.counted()
    ground.api.reset()
    _clean(side, warm, options.photos)
    after, stats = _usages(side), ground.api.stats()
    memory = usage.resident_bytes(side.worker_pids())
    time.sleep(STATISTICS_SECONDS)
    per_photo = ground.counted().since(counted, options.photos)
    took = {name: (after[name] - before[name]).per(options.photos) for name in after}
    times = stats["accepted_times"]
    figures: Figures = {
        "photos": options.photos,
        "processes": options.processes,
        "threads": options.threads,
        "latency": options.latency,
        "photos_per_second": round(options.photos / (stats["last_output_at"] - stats["first_photo_at"]), 2),
        "quota_used": used(times, options.rate) if options.rate else None,
        "refused": stats["throttled"],
        "cpu_ms_together": round(took["worker"]["cpu_ms"] + took["feeder"]["cpu_ms"], 2),
        **took,
        **per_photo,
        "worker_mb": round(memory / 1e6 / options.processes, 1),
        "idle_core_share": idle,
    }
    if not options.no_statements:
        logged = min(LOGGED_PHOTOS, options.photos)
        done = warm + options.photos
        statements, trips = ground.statements_in(lambda: _clean(side, done, logged))
        figures |= {"statements": round(statements / logged, 2), "round_trips": round(trips / logged, 2)}
    return figures


def _clean(side: Side, first: int, count: int) -> None:
    """Hand in photos and wait until they are done, without asking PostgreSQL meanwhile."""
    api, pause = side.ground.api, threading.Event()
    fetched = api.outputs()
    side.submit(api.photo_urls(first, count))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while api.outputs() < fetched + count or not side.is_done(first + count):
        assert time.monotonic() < deadline, f"{side.name} did not clean {count} photos in {PATIENCE_SECONDS} s"
        pause.wait(0.1)


def _usages(side: Side) -> dict[str, Usage]:
    return {
        "worker": usage.of_processes(side.worker_pids()),
        "feeder": usage.of_processes(side.feeder_pids()),
        "postgres": side.ground.postgres_usage(),
        "redis": side.ground.redis_usage(),
    }


def _idle(side: Side) -> dict[str, float]:
    """Return which share of a core everybody takes while there is nothing to do."""
    before = _usages(side)
    time.sleep(IDLE_SECONDS)
    return {name: round((now - before[name]).seconds / IDLE_SECONDS, 4) for name, now in _usages(side).items()}


if __name__ == "__main__":
    main()
