"""A worker that keeps account of where its CPU goes: `python -m bench.staged`, started by `bench.stages`.

Each stage's functions are wrapped, and what a thread takes within them counts for the innermost. What is left of the
process' CPU is Celery's and our own. It is written down twice a second.
"""

import functools
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAGES: dict[str, tuple[str, ...]] = {
    "fetch photo and output": ("photos.fetch:Fetcher.get",),
    "look at, fit and compare": (
        "worker.prepare:prepare",
        "worker.output:compare",
        "worker.output:restore",
    ),
    "PostgreSQL": (
        "psycopg.cursor:Cursor.execute",
        "psycopg.cursor:Cursor.executemany",
        "psycopg.connection:Connection.commit",
        "psycopg.connection:Connection.rollback",
    ),
    "SQLAlchemy": (
        "sqlalchemy.engine.base:Connection.execute",
        "sqlalchemy.engine.base:Engine.connect",
        "sqlalchemy.engine.base:Transaction.commit",
        "sqlalchemy.engine.base:Connection.close",
    ),
    "limiter": (
        "removal.limiter.limiter:Limiter.reserve",
        "removal.limiter.limiter:Limiter.wait_until_due",
        "removal.limiter.limiter:Limiter.settle",
    ),
    "encode, sign, send": (
        "removal.client:RemovalClient.prepare",
        "removal.client:RemovalClient.connect",
        "removal.client:RemovalClient.send",
    ),
    "store the output": ("db.store.folder:FileStore.upload",),
    "the rest of a photo's way": ("worker.pipeline:Pipeline.run",),
}
"""What belongs to which; a name that is not there any more is left out."""

_local = threading.local()
_lock = threading.Lock()
_totals: dict[str, float] = {}


def main() -> None:
    """Run a worker with its stages wrapped."""
    for stage, names in STAGES.items():
        for name in names:
            _wrap(stage, name)
    threading.Thread(target=_write, args=(Path(os.environ["BENCH_STAGES"]),), daemon=True).start()
    sys.argv = ["cleanplate", "worker"]
    from cli.main import main as run

    run()


def _wrap(stage: str, name: str) -> None:
    module_name, _, path = name.partition(":")
    *owners, attribute = path.split(".")
    try:
        owner: Any = importlib.import_module(module_name)
        for each in owners:
            owner = getattr(owner, each)
        work = getattr(owner, attribute)
    except (ImportError, AttributeError):
        print(f"there is no {name} any more", file=sys.stderr)
        return
    setattr(owner, attribute, _counted(stage, work))


def _counted(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def run(*arguments: Any, **named: Any) -> Any:
        outer: list[float] = _local.__dict__.setdefault("inner", [])
        outer.append(0.0)
        began = time.thread_time()
        try:
            return work(*arguments, **named)
        finally:
            took = time.thread_time() - began
            within = outer.pop()
            if outer:
                outer[-1] += took
            with _lock:
                _totals[stage] = _totals.get(stage, 0.0) + took - within

    return run


def _write(path: Path) -> None:
    fresh = path.with_suffix(".new")
    while True:
        with _lock:
            told = {**_totals, "all": time.process_time()}
        fresh.write_text(json.dumps(told))
        fresh.replace(path)
        time.sleep(0.5)


if __name__ == "__main__":
    main()
