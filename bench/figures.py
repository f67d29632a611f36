"""What measurements come to, and printing it."""

import json
import time
from collections.abc import Callable, Iterable

Figures = dict[str, object]


def tell(measured: Iterable[tuple[str, Figures]]) -> None:
    """Print each measurement, as it comes, as one JSON object a line."""
    for name, figures in measured:
        print(json.dumps({"measurement": name, **figures}), flush=True)


def timed(work: Callable[[], object]) -> float:
    """Return how long it takes, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
