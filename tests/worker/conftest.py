"""A worker's pipeline in this process, on real servers, calling a real sandbox."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from redis import Redis
from sqlalchemy import Engine, text

from core.settings import OnMaybeBilled
from core.states import Lane
from db import queue
from db.outages import ProbeRules
from db.store.postgres import PostgresStore
from localstack.embedded import EmbeddedValkey
from photos.fetch import Fetcher
from photos.findings import SURE_FROM, PhotoFinding
from producer.catalogue.source import read_source
from producer.intake import BatchOptions, submit
from removal.client import RemovalClient
from removal.limiter import Limiter
from removal.limiter import Outcome as LimiterOutcome
from sandbox import erasers
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from tests.worker.eraser import InvertingEraser
from worker.call import Caller
from worker.circuit import AccountHealth
from worker.connections import Connections
from worker.equipment import Equipment
from worker.execution import Ending
from worker.finish import Finisher
from worker.leases import LeaseKeeper
from worker.lookers import Lookers
from worker.pipeline import Pipeline
from worker.policy import RetryRules
from worker.prover import Prover
from worker.screener import Screener
from worker.writes import Writes

PATIENT_SECONDS = 60.0
RATE = 500.0
ACCOUNTS_AHEAD = 30


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    """A sandbox that changes every photo a little and has quota to spare."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasers, "_eraser", InvertingEraser())
        with SandboxServer(SandboxSettings(rate=1000)) as server:
            yield server


@dataclass
class Bench:
    """A pipeline and what it works on."""

    engine: Engine
    sandbox: SandboxServer
    pipeline: Pipeline
    stopping: threading.Event
    leases: LeaseKeeper

    def submit(self, source: Path, options: BatchOptions | None = None) -> None:
        """Hand in a source."""
        with self.engine.begin() as connection:
            submit(connection, read_source(source), name="t", source=str(source), options=options or BatchOptions())

    def run_due(self) -> list[Ending]:
        """Make every waiting job due, queue it as the dispatcher would, run it once, and return the endings."""
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET available_at = now() WHERE state = 'pending'"))
            due = queue.queue_due(connection, Lane.BULK, 100)
        return [self.pipeline.run(job.id) for job in due]

    def run_out(self, rounds: int = 12) -> list[Ending]:
        """Run until nothing is due any more."""
        endings: list[Ending] = []
        for _ in range(rounds):
            ended = self.run_due()
            if not ended:
                return endings
            endings += ended
        return endings

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Return what a query finds."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]

    def job(self) -> dict[str, Any]:
        """Return the first job's row."""
        return self.rows("SELECT * FROM jobs ORDER BY id LIMIT 1")[0]

    def attempts(self) -> list[dict[str, Any]]:
        """Return every attempt in order."""
        return self.rows("SELECT * FROM attempts ORDER BY id")


MakeBench = Callable[..., Bench]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a folder with one photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.linear_gradient("L").resize((600, 520)).convert("RGB").save(folder / "a.jpg", quality=90)
    return folder


@pytest.fixture(scope="session")
def open_account(valkey: EmbeddedValkey) -> Iterator[Callable[[], str]]:
    """Return a function that names a limiter's account which nobody used, and which need not wait its first second."""
    ready: deque[str] = deque()
    names = (f"pipeline-{number}" for number in itertools.count())
    with Redis.from_url(valkey.url) as client:

        def take() -> str:
            while len(ready) < ACCOUNTS_AHEAD:
                ready.append(next(names))
                limiter = Limiter(client, ready[-1], RATE)
                limiter.settle(limiter.reserve(), LimiterOutcome.UNUSED)
            return ready.popleft()

        yield take


@pytest.fixture
def make_bench(
    engine: Engine, valkey: EmbeddedValkey, open_account: Callable[[], str], sandbox: SandboxServer
) -> Iterator[MakeBench]:
    """Return a function that builds a pipeline with the settings a test wants."""
    sandbox.reset()
    sandbox.configure(faults={}, next="", latency=0.0, throttle_style="rescode")
    closers: list[Callable[[], object]] = []

    def make(
        *,
        on_maybe_billed: OnMaybeBilled = OnMaybeBilled.RETRY,
        secret: str = "sandbox",
        max_attempts: int = 5,
        provider: str = "sandbox",
        api_port: int | None = None,
        read_timeout: float = PATIENT_SECONDS,
        connections: Connections | None = None,
        look: Callable[[bytes], list[PhotoFinding]] | None = None,
        look_places: int = 8,
        proves: bool = False,
        **more: Any,
    ) -> Bench:
        redis = Redis.from_url(valkey.url)
        api = f"http://127.0.0.1:{api_port or sandbox.port}/rest/ai/image/removal"
        client = RemovalClient(api, "sandbox", secret, read_timeout=read_timeout)
        fetcher = Fetcher(timeout_seconds=2, max_bytes=40_000_000, allow_private=f"127.0.0.1:{sandbox.port}")
        stopping = threading.Event()
        lines = connections or Connections(engine, engine, engine)
        leases = LeaseKeeper(lines.leases, 30)
        writes = Writes(lines, worker="w", lease_seconds=30, account="test", price=Decimal(0))
        lookers = None if look is None else Lookers(look, threads=2, places=look_places)
        screener = Screener(lines.work, lookers, sure_from=SURE_FROM, stopping=stopping.is_set)
        tools = Equipment(
            engine=lines.work,
            writes=writes,
            caller=Caller(lines.work, writes, Limiter(redis, open_account(), RATE), client, account="test", worker="w"),
            fetcher=fetcher,
            finisher=Finisher(
                lines.work,
                PostgresStore(),
                paid=lines.paid,
                writes=writes,
                health=AccountHealth("test", ProbeRules(first_seconds=0.05, cap_seconds=0.2), client.provider.kind_of),
                worker="w",
                out_of_time=threading.Event(),
            ),
            leases=leases,
            rules=RetryRules(max_attempts, 0.01, 0.02, on_maybe_billed),
            provider=provider,
            kind_of=client.provider.kind_of,
            screener=screener,
            prover=Prover(screener, lookers, sure_from=SURE_FROM) if proves else None,
            worker="w",
            lease_seconds=30,
            stopping=stopping,
            **more,
        )
        closers.extend((client.close, fetcher.close, redis.close))
        return Bench(engine, sandbox, Pipeline(tools), stopping, leases)

    yield make
    for close in closers:
        close()
