"""Ours beside other job queues, all doing the same: `make bench-peers`, or `python -m bench.versus [--quick]`.

Each cleans the same photos at the same stand-in API with the same PostgreSQL and Redis: what it makes of a quota, what
it does without one, what a photo costs and how much memory one in flight takes. Prints one JSON object a line; what was
measured when it is ended by Ctrl-C is kept.
"""

import argparse
import math
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import record, results
from bench.figures import Figures, tell
from bench.ground import Ground
from bench.sides import PEERS_PYTHON, Ours, Peer
from bench.trial import run

PEERS = ("dramatiq", "arq", "taskiq", "rq", "aiolimiter")
RATES = (5.0, 50.0, 200.0)
LATENCIES = (0.2, 1.0, 5.0)
MOST_THREADS = 256
CEILING = "ceiling"


@dataclass(frozen=True, slots=True)
class Cell:
    """What all are asked for.

    Args:
        name: What it is called.
        rate: The quota; 0 for none.
        latency: Seconds that a call takes.
        photos: How many are counted.
        processes: Worker processes.
        threads: Photos in flight in each.
    """

    name: str
    rate: float
    latency: float
    photos: int
    processes: int
    threads: int

    def options(self) -> argparse.Namespace:
        """Return it as one side reads it."""
        wanted = {"rate": self.rate, "latency": self.latency, "photos": self.photos}
        return argparse.Namespace(**wanted, processes=self.processes, threads=self.threads, store="file")


def cells(*, is_quick: bool) -> list[Cell]:
    """Return what is measured: every quota with every latency, and none at all; or two of them."""
    seconds = 8.0
    found = [Cell(CEILING, 0.0, 0.2, 500 if is_quick else 1500, 2, 50)]
    for rate in (50.0,) if is_quick else RATES:
        for latency in (1.0,) if is_quick else LATENCIES:
            # As many in flight as the quota fills in a call's time, and some that fetch, wait and write.
            wanted = math.ceil(rate * (latency + 0.9)) + 2
            processes = max(1 if rate < 200 else 2, math.ceil(wanted / MOST_THREADS))
            threads = math.ceil(wanted / processes)
            found.append(Cell(f"{rate:g}/s, {latency:g} s", rate, latency, int(rate * seconds), processes, threads))
    return found


def main() -> None:
    """Compare as asked for on the command line, and print it."""
    options = read_options()
    try:
        tell(record.keep("versus", measure(options), in_parts=True) if options.write else measure(options))
    except (Exception, KeyboardInterrupt):
        # Who only wants figures needs no build that fails.
        print(f"It did not get to its end: {traceback.format_exc()}", flush=True)
    if options.write:
        results.write()


def read_options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for on the command line, or in `argv`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one quota and none, three minutes; else half an hour")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    parser.add_argument("--only", choices=("ours", "bare", *PEERS), help="one alone")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Figures]]:
    """Yield each side's name and figures, cell by cell."""
    sides = [options.only] if options.only else ["ours", "bare", *(PEERS if PEERS_PYTHON.exists() else ())]
    with tempfile.TemporaryDirectory() as name, Ground(0.0, 0.2) as ground:
        for cell in cells(is_quick=options.quick):
            for side in sides:
                ground.api.configure(rate=cell.rate, latency=cell.latency)
                folder = Path(name) / f"{side}-{cell.rate:g}-{cell.latency:g}"
                kind = Ours if side == "ours" else Peer
                figures: Figures = {"side": side}
                try:
                    figures |= run(kind(side, ground, cell.options(), folder), is_brief=True)
                except Exception:
                    figures["failed"] = traceback.format_exc(limit=1).splitlines()[-1]
                    # What is left of it would run in the next cell.
                    ground.database.execute("TRUNCATE batches, jobs CASCADE")
                ground.redis.flushall()
                yield cell.name, figures


if __name__ == "__main__":
    main()
