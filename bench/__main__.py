"""All measurements one after the other: `python -m bench [--write] [--large]`, about a quarter of an hour.

What cannot be measured is said; it never fails. With `--write` RESULTS.md is written anew.
"""

import argparse
import tempfile
import traceback
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from redis import Redis

from bench import beside, fleet, growth, lifetimes, limiter, pages, record, results, stages
from bench.figures import Figures, tell
from localstack.embedded import EmbeddedValkey

SECTIONS = ("beside", "stages", "growth", "lifetimes", "others")


def limits() -> Iterator[tuple[str, Figures]]:
    """Yield how exact the limiter is, with one process and with three."""
    with tempfile.TemporaryDirectory() as home, EmbeddedValkey(Path(home)) as redis:
        for processes in (1, 3):
            options = limiter.options(["--processes", str(processes)])
            yield f"limiter, {processes} processes", limiter.run(options, redis.url)
            with Redis.from_url(redis.url) as client:
                client.flushall()


def both() -> Iterator[tuple[str, Figures]]:
    """Yield ours and the bare loop, without a quota and with one."""
    for words in ([], ["--rate", "50", "--latency", "1", "--processes", "1", "--threads", "96", "--photos", "600"]):
        yield from beside.measure(beside.read_options(words))


def main() -> None:
    """Print each measurement as one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    parser.add_argument("--large", action="store_true", help=f"{growth.LARGE:,} pending jobs and a million photos too")
    parser.add_argument("--only", choices=SECTIONS, help="one section alone")
    options = parser.parse_args()
    large = ["--large"] if options.large else []
    sections: dict[str, Callable[[], Iterator[tuple[str, Figures]]]] = {
        "beside": both,
        "stages": stages.measure,
        "growth": lambda: growth.measure(growth.read_options(large)),
        "lifetimes": lambda: lifetimes.measure(lifetimes.PHOTOS if options.large else lifetimes.FEW),
        "others": lambda: chain(limits(), fleet.measure(), pages.measure()),
    }
    for name, measure in sections.items():
        if options.only in {None, name}:
            try:
                tell(record.keep(name, measure()) if options.write else measure())
            except Exception:
                print(f"{name} did not get to its end: {traceback.format_exc()}", flush=True)
    if options.write:
        results.write()


if __name__ == "__main__":
    main()
