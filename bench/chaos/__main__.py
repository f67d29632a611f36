"""Photos under fire: `python -m bench.chaos --seed 7`, a quarter of an hour at most.

2,000 photos go through three workers and two dispatchers to a sandbox of which every third call fails, while workers,
dispatchers, Redis, PostgreSQL, the store of outputs, the quota and the ways between them are hurt at random. At the end
all that was promised is counted, and each promise that was broken is a line. A seed says what hits them and when, in
seconds; what is in flight then is the machine's.
"""

import argparse
import random
import sys
import tempfile
import traceback
from pathlib import Path

from bench.chaos.audit import audit, audit_pace, describe, list_waited_for
from bench.chaos.rig import Rig
from bench.chaos.storm import StandsStill, Storm

PHOTOS = 2000
MOST_SECONDS = 840.0


def main() -> None:
    """Run as many seeds as asked for, and tell what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="what happens; any by default")
    parser.add_argument("--seeds", type=int, default=1, help="so many runs, each with the next seed")
    parser.add_argument("--photos", type=int, default=PHOTOS, help="photos of a run")
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="the longest that a run may take")
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10_000)
    failed = [seed for seed in range(first, first + options.seeds) if run(seed, options.photos, options.seconds)]
    for seed in failed:
        print(f"again: python -m bench.chaos --seed {seed} --photos {options.photos}", flush=True)
    raise SystemExit(1 if failed else 0)


def run(seed: int, photos: int, seconds: float) -> list[str]:
    """Run one seed, print it, and return what was broken."""
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, Rig(Path(name)) as rig:
        storm = Storm(rig, seed, lambda line: print(line, flush=True))
        if not rig.can_fill_store:
            print("the store cannot be filled here: only root can give it a disk of its own", flush=True)
        broken: list[str] = []
        try:
            storm.run(Path(name) / "photos", photos, seconds)
        except StandsStill as error:
            broken = [str(error), *list_waited_for(rig)]
        except Exception:
            broken = [f"the run itself failed: {traceback.format_exc()}"]
        broken += [*audit(rig, storm.seen), *audit_pace(rig, storm.seen)]
        print(describe(rig, storm.seen), flush=True)
        for line in broken:
            print(f"BROKEN: {line}", flush=True)
        if broken:
            _keep_logs(Path(name), seed)
    return broken


def _keep_logs(folder: Path, seed: int) -> None:
    kept = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    for log in (folder / "fleet").glob("*.log"):
        (kept / log.name).write_bytes(log.read_bytes())
    print(f"logs: {kept}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
