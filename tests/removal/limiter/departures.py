"""What the limiter promises, said a second time and by brute force: who asked for which rate, and who left when."""

from bisect import bisect_right
from dataclasses import dataclass, field
from math import inf

RIVAL_US = 10_000_000


def quota_of(rate: float) -> tuple[int, float]:
    """Return how many calls may leave in any window, and how long that is in µs."""
    return (int(rate + 1e-9), 1e6) if rate >= 1 else (1, 1e6 / rate)


@dataclass
class Rates:
    """Which of the rates of a fleet counts: the lowest that was asked for in the last ten seconds."""

    asked: dict[float, int] = field(default_factory=dict)
    agreed: float = 0.0
    lowest: float = inf

    def ask(self, rate: float, now_us: int) -> float:
        """A process speaks, and with it for its rate; return which counts now."""
        self.asked[rate] = now_us
        self.lowest = min(self.lowest, rate)
        self.asked = {each: at for each, at in self.asked.items() if now_us - at <= RIVAL_US}
        self.agreed = min(self.asked)
        return self.agreed


@dataclass
class Departures:
    """All calls by the moment at which they left."""

    moments: list[int] = field(default_factory=list)
    slipped: list[int] = field(default_factory=list)

    def add(self, now_us: int, rate: float, *, has_slipped: bool = False) -> None:
        """Note a call, and count the window that it ends; a call that nobody saw leave late may be one too many."""
        self.moments.append(now_us)
        if has_slipped:
            self.slipped.append(now_us)
        most, window_us = quota_of(rate)
        count = len(self.moments) - bisect_right(self.moments, now_us - window_us)
        unseen = len(self.slipped) - bisect_right(self.slipped, now_us - window_us)
        assert count - unseen <= most, f"{count} calls in {window_us / 1e6:.3f} s at {rate}/s"
