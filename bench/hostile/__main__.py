"""All that is known to hurt, one row each: `python -m bench.hostile`, less than five minutes.

Exits 1 when a bound is not kept: no process ends, web stays below 1 GB and a worker below 2 GB, and nobody else's
answer comes more than two seconds later.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench.hostile import decoded, web
from bench.hostile.gauge import Row

PARTS: dict[str, Callable[[], Iterator[Row]]] = {"web": web.measure, "pictures": decoded.measure}


def main() -> None:
    """Print each row as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    only = parser.parse_args().only
    if only is None:
        # Each in a process of its own, as what one has made would count as what the next takes.
        codes = [subprocess.call([sys.executable, "-m", "bench.hostile", "--only", part]) for part in PARTS]
        raise SystemExit(1 if any(codes) else 0)
    broken = 0
    for row in PARTS[only]():
        print(row, flush=True)
        broken += not row.is_kept
    raise SystemExit(f"{broken} bounds were not kept" if broken else 0)


if __name__ == "__main__":
    main()
