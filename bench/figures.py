"""What measurements come to, and printing it."""

import json
from collections.abc import Iterable

Figures = dict[str, object]


def tell(measured: Iterable[tuple[str, Figures]]) -> None:
    """Print each measurement, as it comes, as one JSON object a line."""
    for name, figures in measured:
        print(json.dumps({"measurement": name, **figures}), flush=True)
