"""`python -m bench.findings [OVERLAID CLEAN]`: what `--screen skip` misses, and what it saves, by SCREEN_SURE_FROM.

OVERLAID is a folder of photos that have something to be taken off, CLEAN one of photos that have nothing; without them
only the sample catalogue is measured. A `manifest.jsonl` beside OVERLAID says what each photo is to be rid of
(`elements`); without one that is everything. Prints a table as README has it.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from photos.findings import SURE_FROM, PhotoFinding, asked_for
from photos.findings.look import look

THRESHOLDS = (0.1, 0.2, 0.3, SURE_FROM, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
ALL = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Ground:
    """Photos of which it is known whether something is on them.

    Args:
        name: Of the set.
        overlaid: What was found on those that need work, by file name.
        clean: What was found on those that need none.
        wished: What each of the first is to be rid of.
        seconds: For one photo.
    """

    name: str
    overlaid: Mapping[str, list[PhotoFinding]]
    clean: Mapping[str, list[PhotoFinding]]
    wished: Mapping[str, tuple[int, ...]]
    seconds: float

    def missed(self, sure_from: float) -> int:
        """How many photos that need work would be skipped."""
        return sum(not self._asked(name, found, sure_from) for name, found in self.overlaid.items())

    def saved(self, sure_from: float) -> int:
        """How many photos that need none would be skipped."""
        return sum(not asked_for(found, ALL, ALL, sure_from=sure_from) for found in self.clean.values())

    def _asked(self, name: str, found: list[PhotoFinding], sure_from: float) -> list[PhotoFinding]:
        elements = self.wished.get(name, ALL)
        return asked_for(found, elements, elements, sure_from=sure_from)


def measure(name: str, overlaid: Path, clean: Path) -> Ground:
    """Look at all photos of two folders."""
    began = time.perf_counter()
    found = [{path.name: look(path.read_bytes()) for path in sorted(folder.iterdir())} for folder in (overlaid, clean)]
    seconds = (time.perf_counter() - began) / max(1, sum(map(len, found)))
    return Ground(name, found[0], found[1], _wishes(overlaid.parent / "manifest.jsonl"), seconds)


def table(grounds: list[Ground]) -> str:
    """Return the curve as README has it."""
    head = "| `SCREEN_SURE_FROM` |" + "".join(f" {each.name}: missed | saved |" for each in grounds)
    rows = [head, "|---|" + "---|---|" * len(grounds)]
    for sure_from in THRESHOLDS:
        cells = [
            f" {each.missed(sure_from)} of {len(each.overlaid)} | {each.saved(sure_from)} of {len(each.clean)} |"
            for each in grounds
        ]
        mark = " (default)" if sure_from == SURE_FROM else ""
        rows.append(f"| {sure_from:g}{mark} |" + "".join(cells))
    return "\n".join(rows)


def _wishes(manifest: Path) -> dict[str, tuple[int, ...]]:
    if not manifest.is_file():
        return {}
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {Path(row.get("path") or row["image_url"]).name: tuple(row["elements"]) for row in rows}


def main(arguments: list[str]) -> int:
    """Measure and print."""
    if len(arguments) not in {0, 2}:
        print(__doc__, file=sys.stderr)
        return 2
    from sandbox.catalogue import make_catalogue

    with TemporaryDirectory() as folder:
        make_catalogue(Path(folder), count=24)
        grounds = [measure("sample catalogue", Path(folder) / "photos", Path(folder) / "plates")]
    if arguments:
        overlaid, clean = map(Path, arguments)
        grounds.insert(0, measure(overlaid.resolve().parent.name, overlaid, clean))
    print(table(grounds))
    for each in grounds:
        print(f"{each.name}: {each.seconds:.2f} s a photo on one thread", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
