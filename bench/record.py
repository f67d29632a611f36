"""What was measured, kept: `measured.json` by section, each with its machine, its commit and its day."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Figures

FOLDER = Path(__file__).parent
FILE = FOLDER / "measured.json"
WRITTEN = (":!bench/measured.json", ":!bench/RESULTS.md", ":!bench/*.svg")
Section = dict[str, Any]


def read() -> dict[str, Section]:
    """Return every section that was ever measured."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else {}


def keep(
    section: str, measured: Iterable[tuple[str, Figures]], *, in_parts: bool = False
) -> Iterator[tuple[str, Figures]]:
    """Yield what is measured, and keep it once all of it is there.

    Args:
        section: What it belongs to; what was kept for that is replaced.
        measured: Names and figures.
        in_parts: Keep what there is after each of them: whoever ends it by hand has what was measured until then.
    """
    rows = []
    for name, figures in measured:
        rows.append({"measurement": name, **figures})
        yield name, figures
        if in_parts:
            _write(section, rows)
    _write(section, rows)


def _write(section: str, rows: list[Section]) -> None:
    kept = read()
    kept[section] = {"on": datetime.now(UTC).date().isoformat(), "commit": commit(), **machine(), "rows": rows}
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def commit() -> str:
    """Return the commit that is measured, with a `+` when files have changed since."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        changed = _git(
            "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/measured.json", ":!bench/*.svg"
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


def machine() -> dict[str, str]:
    """Return what it was measured on, and what else ran there."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores of {cpu}, {memory:.0f} GB",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[2]:.1f}",
    }


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    return found.stdout.strip()
