"""Which calls go wrong, and how: by share, or by an exact script."""

from __future__ import annotations

import random
import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping

# How a fault's name maps to what the service does; codes and gateway names are matched by pattern.
BEFORE_BODY = frozenset({"reset_before"})
ANSWERLESS = frozenset({"timeout", "drop"})
BROKEN_BODY = frozenset({"html", "truncated"})
ODD_OUTPUT = frozenset({"slow", "missing_output", "output_404", "output_html", "output_small", "unchanged", "blank"})
NAMED = BEFORE_BODY | ANSWERLESS | BROKEN_BODY | ODD_OUTPUT
# After these the photo was worked on, so a real account would have been charged.
CHARGED = ANSWERLESS | ODD_OUTPUT | {"truncated"}

_PATTERN = re.compile(r"\d{3,4}|http[45]\d\d|[A-Z][A-Za-z]+(\.[A-Za-z]+)*")


def check_name(name: str) -> str:
    """Returns the name, or raises ValueError when no fault is called that."""
    if name in NAMED or _PATTERN.fullmatch(name):
        return name
    raise ValueError(
        f"unknown fault {name!r}: use a resCode, http4xx or http5xx, a named code, or one of "
        + ", ".join(sorted(NAMED))
    )


def parse_shares(text: str) -> dict[str, float]:
    """Reads `801=0.05,timeout=0.01`; raises ValueError on a bad name or share."""
    shares: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, share = part.partition("=")
        if not equals:
            raise ValueError(f"fault {part!r} has no share: write it as NAME=SHARE, such as 801=0.05")
        shares[name.strip()] = float(share)
    return check_shares(shares)


def check_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """Returns a copy of the shares; raises ValueError when one is unknown or they do not fit into 1."""
    for name, share in shares.items():
        check_name(name)
        if not 0 <= share <= 1:
            raise ValueError(f"the share of fault {name!r} must be between 0 and 1, not {share}")
    if sum(shares.values()) > 1 + 1e-9:
        raise ValueError("the shares of all faults together must not be more than 1")
    return dict(shares)


def parse_script(steps: str | Iterable[str | int]) -> list[str | None]:
    """Reads an exact sequence: `801*5,ok,timeout`, or a list of such steps; `ok` means no fault."""
    pieces = steps.split(",") if isinstance(steps, str) else [str(step) for step in steps]
    script: list[str | None] = []
    for piece in filter(None, (piece.strip() for piece in pieces)):
        name, _, times = piece.partition("*")
        fault = None if name == "ok" else check_name(name)
        script.extend([fault] * (int(times) if times else 1))
    return script


class Faults:
    """Picks a fault, or none, for each accepted call in the order the calls come in."""

    def __init__(self, shares: Mapping[str, float], seed: int | None) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self._random = random.Random(seed)
        self._script: deque[str | None] = deque()
        self._shares = check_shares(shares)

    def pick(self) -> str | None:
        """The fault of the next call; the script goes first."""
        with self._lock:
            if self._script:
                return self._script.popleft()
            if not self._shares:
                return None
            draw = self._random.random()
            for name, share in self._shares.items():
                if draw < share:
                    return name
                draw -= share
            return None

    def set_shares(self, shares: Mapping[str, float]) -> None:
        """Replaces the shares of all faults."""
        checked = check_shares(shares)
        with self._lock:
            self._shares = checked

    def set_script(self, steps: list[str | None]) -> None:
        """Replaces what is left of the script."""
        with self._lock:
            self._script = deque(steps)

    def reset(self) -> None:
        """Drops the script and starts the random sequence again."""
        with self._lock:
            self._script.clear()
            self._random = random.Random(self._seed)
