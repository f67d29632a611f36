"""All that is known to hurt, one row each: `python -m bench.hostile`, less than five minutes.

Exits 1 when a bound is not kept: no process ends, web stays below 1 GB and a worker below 2 GB, and nobody else's
answer comes more than two seconds later.
"""

import argparse
from itertools import chain

from bench.hostile import decoded, web


def main() -> None:
    """Print each row as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("pictures", "web"), help="one part alone")
    only = parser.parse_args().only
    rows = chain(() if only == "pictures" else web.measure(), () if only == "web" else decoded.measure())
    broken = 0
    for row in rows:
        print(row, flush=True)
        broken += not row.is_kept
    raise SystemExit(f"{broken} bounds were not kept" if broken else 0)


if __name__ == "__main__":
    main()
