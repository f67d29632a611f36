"""How soon what must not wait is called while a backlog runs, and what everybody takes when there is nothing to do."""

import argparse
import statistics
import time
from pathlib import Path

from sqlalchemy import Engine

from bench import usage
from bench.figures import Figures
from bench.ground import Ground, quiet
from bench.sides import Ours
from bench.standin import WATCHED_FROM
from core.states import Lane, Send
from db import batches
from producer.catalogue.source import read_source
from producer.intake import BatchOptions, submit

SAMPLES = 12
IDLE_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
RUNNING = 3_000


def measure(ground: Ground, engine: Engine, folder: Path) -> Figures:
    """Start dispatcher, worker and web, and time interactive photos while a bulk batch takes the whole quota.

    Args:
        ground: The servers, with a backlog in batch 1.
        engine: The database.
        folder: Where files go.
    """
    options = argparse.Namespace(rate=5.0, latency=0.2, processes=1, threads=16, store="file")
    ours = Ours("ours", ground, options, folder / "fleet")
    # Else one that comes by itself is taken for what the idle stack takes.
    ground.database.execute("VACUUM jobs")
    with engine.begin() as connection:
        batches.pause(connection, 1, "by hand")
    ours.start()
    ours.start_web()
    try:
        pids = [*ours.worker_pids(), *ours.feeder_pids(), *ours.web_pids()]
        quiet(lambda: usage.of_processes(pids))
        idle = _idle(ground, pids)
        ours.submit(ground.photo_urls(RUNNING))
        return {"waits_ms": _waits(ground, engine, folder), "idle_core_share": idle}
    finally:
        ours.stop()


def _idle(ground: Ground, pids: list[int]) -> float:
    """Return which share of a core everybody takes together."""

    def took() -> float:
        return (usage.of_processes(pids) + ground.postgres_usage() + ground.redis_usage()).seconds

    before = took()
    time.sleep(IDLE_SECONDS)
    return round((took() - before) / IDLE_SECONDS, 4)


def _waits(ground: Ground, engine: Engine, folder: Path) -> dict[str, float] | str:
    """Return how long photos of the interactive lane waited from their commit to their call."""
    time.sleep(3.0)
    waits: list[float] = []
    for number in range(WATCHED_FROM, WATCHED_FROM + SAMPLES):
        path = folder / f"{number}.txt"
        path.write_text(f"{ground.api.url}/photo/{number}.jpg\n")
        options = BatchOptions(lane=Lane.INTERACTIVE, send=Send.BYTES)
        with engine.begin() as connection:
            submit(connection, read_source(path), name="one", source=str(path), options=options)
        began = time.monotonic()
        while (at := ground.api.stats()["called_at"].get(str(number))) is None:
            if time.monotonic() - began > PATIENCE_SECONDS:
                return f"not called within {PATIENCE_SECONDS:.0f} s"
            time.sleep(0.05)
        waits.append((at - began) * 1000)
        time.sleep(0.37)
    return {"median": round(statistics.median(waits), 1), "slowest": round(max(waits), 1)}
