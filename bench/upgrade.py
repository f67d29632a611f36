"""What upgrades cost those who go on working: `python -m bench.upgrade [--jobs 1000000] [--since 0001] [--kills 3]`.

A database of an older version holds so many photos. Threads claim, call and end photos, add new ones and read pages, by
plain statements that any version has, while now and then a transaction keeps rows for seconds. Meanwhile the command
`cleanplate db upgrade` runs in a process of its own, is killed a few times, and runs again to its end. Prints how long
any statement of theirs waited, before it and while it ran, as one JSON object a line; times are in milliseconds.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from bench.figures import Figures, tell
from db.migrate import is_current
from db.session import make_engine
from localstack.embedded import EmbeddedPostgres
from tests.db.upgrading import fill, upgrade_to

THREADS = 6
KEPT_SECONDS = 2.0
BEFORE_SECONDS = 5.0

CLAIM = text(
    "UPDATE jobs SET state = 'running', lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 h' "
    "WHERE id = (SELECT id FROM jobs WHERE batch_id = :batch AND state = 'pending' ORDER BY available_at, id LIMIT 1 "
    "FOR UPDATE SKIP LOCKED) RETURNING id"
)
OPEN = text(
    "INSERT INTO attempts (job_id, batch_id, lease_token, worker, sent_at, spend) "
    "SELECT id, batch_id, lease_token, 'w', now(), 'maybe' FROM jobs WHERE id = :id RETURNING id"
)
SETTLE = text(
    "UPDATE attempts SET answered_at = now(), answer_class = 'success', code = '200', spend = 'paid' WHERE id = :id"
)
END = text(
    "UPDATE jobs SET state = 'succeeded', code = '200', artifact_sha256 = 'a', lease_token = NULL, "
    "lease_expires_at = NULL, finished_at = now() WHERE id = :id"
)
ADD = text(
    "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, elements, subject_elements) "
    "VALUES (:batch, 'pending', 'x', gen_random_uuid()::text, 'n', '{1}', '{1}')"
)
PAGE = text("SELECT id FROM jobs WHERE batch_id = :batch AND state = 'succeeded' LIMIT 100")
KEEP = text("UPDATE batches SET name = name WHERE id = :batch")


class Load:
    """Works on as a fleet does, and notes how long each statement took."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(THREADS)]
        self._threads.append(threading.Thread(target=self._keep))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Work meanwhile."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def take_figures(self) -> Figures:
        """Return how long statements took since the last time."""
        waits, self.waits = self.waits, defaultdict(list)
        figures: Figures = {"statements": sum(map(len, waits.values()))}
        for name, each in sorted(waits.items()):
            figures[f"{name}, worst"] = round(max(each) * 1000, 1)
        return figures

    def _work(self) -> None:
        while not self._stop.is_set():
            batch = {"batch": random.randint(1, 3)}
            try:
                job_id = self._timed("claim", CLAIM, batch)
                attempt_id = self._timed("open", OPEN, {"id": job_id})
                self._timed("settle", SETTLE, {"id": attempt_id})
                self._timed("end", END, {"id": job_id})
                self._timed("add", ADD, batch)
                self._timed("page", PAGE, batch)
            except Exception as error:
                self.errors.append(str(error).splitlines()[0])

    def _timed(self, name: str, statement: object, values: Mapping[str, object]) -> object:
        with self._engine.connect() as connection:
            began = time.perf_counter()
            result = connection.execute(statement, values)  # type: ignore[call-overload]
            found = result.scalar() if result.returns_rows else None
            connection.commit()
            self.waits[name].append(time.perf_counter() - began)
        return found

    def _keep(self) -> None:
        """Keep a row of a batch, one of a job and one of an attempt for seconds, as a large intake does."""
        while not self._stop.is_set():
            with self._engine.begin() as connection:
                connection.execute(KEEP, {"batch": 3})
                connection.execute(text("UPDATE jobs SET name = name WHERE id = 2"))
                connection.execute(text("UPDATE attempts SET worker = worker WHERE id = 1"))
                self._stop.wait(KEPT_SECONDS)
            self._stop.wait(0.2)


def _upgrade(url: str, kill_after: float | None) -> tuple[int, str]:
    environment = {**os.environ, "DATABASE_URL": url}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "db", "upgrade"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
    return process.returncode, said


def measure(jobs: int, since: str, kills: int) -> Iterator[tuple[str, Figures]]:
    """Yield the load's figures before the upgrade and while it ran."""
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home)) as server:
        engine = make_engine(server.url, pool_size=THREADS + 1)
        upgrade_to(engine, since)
        fill(engine, jobs)
        load = Load(engine)
        with load.running():
            threading.Event().wait(BEFORE_SECONDS)
            yield "before", load.take_figures()
            began = time.perf_counter()
            killed = 0
            for turn in range(kills):
                killed += _upgrade(server.url, 2.0 + 3.0 * turn)[0] == -signal.SIGKILL
            code, said = _upgrade(server.url, None)
            seconds = round(time.perf_counter() - began, 1)
            figures = load.take_figures()
        tries = said.count("trying again")
        yield (
            f"upgrade of {jobs:,} photos since {since}",
            {"exit": code, "current": is_current(engine), "killed": killed, "seconds": seconds, "put off": tries}
            | figures
            | {"errors": len(load.errors), "first error": (load.errors or [""])[0]},
        )
        engine.dispose()


def main() -> None:
    """Print each measurement as one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--since", default="0001")
    parser.add_argument("--kills", type=int, default=3)
    options = parser.parse_args()
    tell(measure(options.jobs, options.since, options.kills))


if __name__ == "__main__":
    main()
