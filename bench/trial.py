"""One side cleans photos, and what that took.

It has run once through its threads, and then come to rest, before anything is counted, so that nobody's start is in it.
"""

import sys
import threading
import time
from functools import partial

from bench import usage
from bench.figures import Figures
from bench.fleet import used
from bench.ground import STATISTICS_SECONDS, quiet
from bench.sides import Side
from bench.usage import Usage

PATIENCE_SECONDS = 900.0
STILL_SECONDS = 45.0
"""Who gets nothing done for so long has lost photos, or never ends."""
LOGGED_PHOTOS = 200
IDLE_SECONDS = STATISTICS_SECONDS
MOST_BRIEFLY_WARMED = 100


def run(side: Side, *, is_brief: bool = False) -> Figures:
    """Start one side, let it clean photos, and return what that took.

    Args:
        side: Which.
        is_brief: Leave out what is waited for: what the servers counted, and what everybody takes when idle.
    """
    side.start()
    try:
        return _run(side, is_brief=is_brief)
    except BaseException:
        for log in sorted(side.folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise
    finally:
        side.stop()


def _run(side: Side, *, is_brief: bool) -> Figures:
    options, ground = side.options, side.ground
    in_flight = options.processes * options.threads
    clean(side, min(in_flight, MOST_BRIEFLY_WARMED) if is_brief else 2 * in_flight)
    quiet(lambda: usage.of_processes([*side.worker_pids(), *side.feeder_pids()]))
    idle = {} if is_brief else {"idle_core_share": _idle(side)}
    ground.redis.config_resetstat()
    before, counted, stored, logged = _usages(side), ground.counted(), ground.tables(), ground.wal_bytes()
    ground.api.reset()
    memory = clean(side, options.photos)
    redis_bytes = int(ground.redis.info("memory")["used_memory_peak"])
    after, stats = _usages(side), ground.api.stats()
    took = {name: (after[name] - before[name]).per(options.photos) for name in after}
    figures: Figures = {
        "photos": options.photos,
        "processes": options.processes,
        "threads": options.threads,
        "rate": options.rate,
        "latency": options.latency,
        "photos_per_second": round(options.photos / (stats["last_output_at"] - stats["first_photo_at"]), 2),
        "quota_used": steady(stats["accepted_times"], options.rate),
        "refused": stats["throttled"],
        "most_in_flight": stats["most_in_flight"],
        "cpu_ms_together": round(took["worker"]["cpu_ms"] + took["feeder"]["cpu_ms"], 2),
        **took,
        "mb": round(memory / 1e6, 1),
        "mb_per_photo_in_flight": round(memory / 1e6 / max(1, stats["most_in_flight"]), 2),
        "redis_peak_mb": round(redis_bytes / 1e6, 2),
        **idle,
    }
    if not is_brief:
        time.sleep(STATISTICS_SECONDS)
        figures |= ground.counted().since(counted, options.photos)
        figures["wal_bytes"] = round((ground.wal_bytes() - logged) / options.photos)
        figures |= _grown(stored, ground.tables(), options.photos)
        few = min(LOGGED_PHOTOS, options.photos)
        statements, trips = ground.statements_in(partial(clean, side, few))
        figures |= {"statements": round(statements / few, 2), "round_trips": round(trips / few, 2)}
    return figures


def _grown(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], photos: int) -> Figures:
    """Return the bytes a photo left in each table that grew, and the rows that it left dead in `jobs`."""
    grown = {name: round((size - before[name][0]) / photos) for name, (size, _) in after.items()}
    return {
        "postgres_bytes": sum(grown.values()),
        "bytes_by_table": {name: size for name, size in sorted(grown.items(), key=lambda pair: -pair[1]) if size > 20},
        "jobs_dead_rows": round((after["jobs"][1] - before["jobs"][1]) / photos, 2),
    }


def steady(times: list[float], rate: float) -> float | None:
    """Return the share of the quota used, without the first second, which a burst may fill at once."""
    later = [at for at in times if at >= times[0] + 1.0]
    return used(later, rate) if rate and len(later) > 1 else None


def clean(side: Side, count: int) -> int:
    """Hand in photos, wait until they are done, and return the memory that was taken when half of them were.

    PostgreSQL is not asked meanwhile, as that would be counted as the side's.
    """
    api, pause, memory = side.ground.api, threading.Event(), 0
    fetched, done = api.outputs(), side.done()
    side.submit(side.ground.photo_urls(count))
    began = moved = time.monotonic()
    reached = fetched
    while (out := api.outputs()) < fetched + count or side.done() < done + count:
        now = time.monotonic()
        if out > reached:
            reached, moved = out, now
        assert now - moved < STILL_SECONDS, f"{side.name} stands still at {reached - fetched} of {count} photos"
        assert now - began < PATIENCE_SECONDS, f"{side.name} did not clean {count} photos in {PATIENCE_SECONDS} s"
        if not memory and out >= fetched + count // 2:
            memory = usage.resident_bytes(side.worker_pids())
        pause.wait(0.1)
    return memory or usage.resident_bytes(side.worker_pids())


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
