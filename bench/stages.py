"""Where a worker's CPU goes, stage by stage: `python -m bench.stages`."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import usage
from bench.figures import Figures, tell
from bench.ground import Ground, quiet, start_process
from bench.sides import Ours
from bench.trial import clean

PHOTOS = 500
CELERY = "Celery, and what is none of these"


def main() -> None:
    """Measure and print it."""
    tell(measure())


def measure() -> Iterator[tuple[str, Figures]]:
    """Yield the one measurement's name and figures: milliseconds a photo by stage, the accounting included."""
    with tempfile.TemporaryDirectory() as name, Ground(50.0, 1.0) as ground:
        options = argparse.Namespace(rate=50.0, latency=1.0, processes=0, threads=96, store="file")
        ours = Ours("ours", ground, options, Path(name))
        ours.start()
        told = Path(name) / "stages.json"
        argv = [sys.executable, "-m", "bench.staged"]
        worker = start_process(argv, ours.environment() | {"BENCH_STAGES": str(told)}, Path(name) / "staged.log")
        try:
            clean(ours, options.threads)
            quiet(lambda: usage.of_processes([worker.pid]))
            before = _read(told)
            clean(ours, PHOTOS)
            took = {stage: seconds - before.get(stage, 0.0) for stage, seconds in _read(told).items()}
        finally:
            worker.terminate()
            ours.stop()
            worker.wait(60)
    whole = took.pop("all")
    took[CELERY] = whole - sum(took.values())
    yield "stages", {"stages": {stage: round(seconds / PHOTOS * 1000, 2) for stage, seconds in took.items()}}


def _read(path: Path) -> dict[str, float]:
    time.sleep(1.0)
    return dict(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
