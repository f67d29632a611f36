"""Ours beside the plainest Celery loop, in one run: `python -m bench.beside --rate 50 --latency 1 --photos 600`.

Both clean the same photos, fetched over HTTP and sent as Base64, at the same stand-in API, with the same PostgreSQL and
Redis, one after the other. Each has run once through all its threads, and then come to rest, before anything is
counted, so that nobody's start is in it. Prints one JSON object a line; what is not said to be a share is per photo.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import Figures, tell
from bench.ground import Ground
from bench.sides import Ours, Peer, Side
from bench.trial import run

SIDES: dict[str, type[Side]] = {"bare": Peer, "ours": Ours}


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
    parser.add_argument("--brief", action="store_true", help="leave out what has to be waited for")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Figures]]:
    """Yield each side's name and figures."""
    with (
        tempfile.TemporaryDirectory() as name,
        Ground(options.rate, options.latency, is_durable=options.durable) as ground,
    ):
        for side, kind in SIDES.items():
            if options.only in {None, side}:
                figures = run(kind(side, ground, options, Path(name) / side), is_brief=options.brief)
                yield side, {"side": side, **figures}
                ground.redis.flushall()


if __name__ == "__main__":
    main()
