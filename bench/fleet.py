"""How much of its quota a whole fleet uses: `python -m bench.fleet`.

Real dispatchers and workers on servers of their own clean small photos at an API that takes its time and counts any
sliding second. Prints one JSON object a line. `quota_used` is the accepted calls from the first to the last one
against the quota; `refused_share` is how many of all calls were throttled; `cpu_ms_per_photo` is what dispatcher and
workers took, their start not left out.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figures, tell
from tests.chaos.fleet import Fleet, make_photos

RATE = 50.0
PHOTOS = 1000
PATIENCE_SECONDS = 600.0


def main() -> None:
    """Run every measurement and print it."""
    tell(measure())


def measure() -> Iterator[tuple[str, Figures]]:
    """Yield each measurement's name and figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder / "photos", PHOTOS)
        for processes in (1, 3):
            yield f"fleet of {processes}", run_fleet(folder / f"of-{processes}", photos, steady, processes=processes)
        yield "quota half of what is configured, then restored", run_fleet(folder / "low", photos, low_then_restored)
        yield "quota halved on the way", run_fleet(folder / "halved", photos, halved_on_the_way)


def run_fleet(folder: Path, photos: Path, watch: Callable[[Fleet, int], Figures], *, processes: int = 1) -> Figures:
    """Start a fleet, hand in the photos, and return what `watch` saw, with what it cost."""
    with Fleet(folder, rate=RATE, latency=1.0 if watch is steady else 0.5, apart=True) as fleet:
        if watch is low_then_restored:
            fleet.configure(rate=RATE / 2)
        roles = [fleet.start("worker") for _ in range(processes)] + [fleet.start("dispatcher")]
        before, began = cpu_seconds(), time.monotonic()
        figures = watch(fleet, fleet.submit(photos))
        seconds = time.monotonic() - began
        stats = fleet.stats()
        for role in roles:
            role.stop()
        took = cpu_seconds() - before
    return {
        **figures,
        "calls": stats["received"],
        "refused": stats["throttled"],
        "refused_share": share(stats),
        "photos_per_second": round(PHOTOS / seconds, 2),
        "cpu_ms_per_photo": round(took / PHOTOS * 1000, 1),
    }


def steady(fleet: Fleet, batch_id: int) -> Figures:
    """Let all photos run at the configured quota."""
    fleet.wait_for_done(batch_id, PHOTOS, PATIENCE_SECONDS)
    return {"quota_used": used(fleet.stats()["accepted_times"], RATE)}


def low_then_restored(fleet: Fleet, batch_id: int) -> Figures:
    """Begin with half the quota, and give the other half back after 300 photos."""
    fleet.wait_for_done(batch_id, 300, PATIENCE_SECONDS)
    low = fleet.stats()
    last = low["accepted_times"][-1]
    fleet.configure(rate=RATE)
    fleet.wait_for_done(batch_id, PHOTOS, PATIENCE_SECONDS)
    return {
        "refused_share_while_low": share(low),
        "low_quota_used": used([at for at in low["accepted_times"] if at > last - 5], RATE / 2),
        "restored_quota_used": used(fleet.stats()["accepted_times"][-100:], RATE),
    }


def halved_on_the_way(fleet: Fleet, batch_id: int) -> Figures:
    """Take half of the quota away after 300 photos."""
    fleet.wait_for_done(batch_id, 300, PATIENCE_SECONDS)
    before = fleet.stats()
    fleet.configure(rate=RATE / 2)
    fleet.wait_for_done(batch_id, PHOTOS, PATIENCE_SECONDS)
    after = fleet.stats()
    since = {name: after[name] - before[name] for name in ("throttled", "received")}
    return {
        "refused_share_since": share(since),
        "low_quota_used": used(after["accepted_times"][-200:], RATE / 2),
    }


def used(times: list[float], rate: float) -> float:
    """Return the share of the quota used from the first to the last call."""
    return round((len(times) - 1) / (times[-1] - times[0]) / rate, 4)


def share(stats: dict[str, Any]) -> float:
    """Return the share of the calls that were refused."""
    return float(round(stats["throttled"] / max(1, stats["received"]), 4))


def cpu_seconds() -> float:
    """Return what processes took that this one started and that have ended."""
    took = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took.ru_utime + took.ru_stime


if __name__ == "__main__":
    main()
