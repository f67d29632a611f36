"""All measurements one after the other: `python -m bench`. What cannot be measured is said; it never fails."""

import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from redis import Redis

from bench import fleet, limiter, pages
from bench.figures import Figures, tell
from localstack.embedded import EmbeddedValkey


def limits() -> Iterator[tuple[str, Figures]]:
    """Yield how exact the limiter is, with one process and with three."""
    with tempfile.TemporaryDirectory() as home, EmbeddedValkey(Path(home)) as redis:
        for processes in (1, 3):
            options = limiter.options(["--processes", str(processes)])
            yield f"limiter, {processes} processes", limiter.run(options, redis.url)
            with Redis.from_url(redis.url) as client:
                client.flushall()


def main() -> None:
    """Print each measurement as one JSON object a line."""
    for measure in (limits, fleet.measure, pages.measure):
        try:
            tell(measure())
        except Exception:
            print(f"{measure.__module__} did not get to its end: {traceback.format_exc()}", flush=True)


if __name__ == "__main__":
    main()
