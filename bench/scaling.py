"""The table in docs/scaling.md, from the figures that `cleanplate plan` reckons with."""

import re
from pathlib import Path

from quote.capacity import Capacity, reckon

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
CASES = ((10**4, 5.0), (10**6, 50.0), (10**7, 50.0), (10**8, 200.0), (10**9, 1000.0))
_TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)


def table() -> str:
    """Return the table's lines."""
    head = [
        "photos",
        "calls/s",
        "days",
        "in flight",
        "workers",
        "memory",
        "cores: workers, PostgreSQL, Redis",
        "PostgreSQL",
        "outputs",
        "Redis",
        "connections",
    ]
    lines = [head, ["---"] * len(head), *(_row(reckon(images, rate, 2.0)) for images, rate in CASES)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def read() -> str:
    """Return the table as the page has it."""
    found = _TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    return found[0]


def write() -> None:
    """Put the table into the page."""
    PAGE.write_text(_TABLE.sub(table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _row(found: Capacity) -> list[str]:
    return [
        f"{found.images:,}",
        f"{found.rate:g}",
        f"{found.days:.2g}" if found.days < 10 else f"{found.days:.0f}",
        f"{found.in_flight:,}",
        f"{found.processes} × {found.threads}",
        f"{found.worker_mb / 1000:.2g} GB",
        f"{found.worker_cores:.2g}, {found.postgres_cores:.2g}, {found.redis_cores:.2g}",
        _size(found.postgres_gb),
        _size(found.artifact_gb),
        f"{found.redis_mb:.2g} MB",
        f"{found.connections:,}",
    ]


def _size(gigabytes: float) -> str:
    return f"{gigabytes:.3g} GB" if gigabytes < 1000 else f"{gigabytes / 1000:.3g} TB"
