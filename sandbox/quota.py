"""The quota: never more than so many accepted calls in any sliding second."""

from __future__ import annotations

import threading
from bisect import bisect_right, insort


def window_of(rate: float) -> tuple[int, float]:
    """How many calls fit into how many seconds; a rate below 1 widens the window."""
    return (int(rate), 1.0) if rate >= 1 else (1, 1.0 / rate)


class Quota:
    """Counts accepted calls; refused ones cost nothing."""

    def __init__(self, rate: float) -> None:
        self._lock = threading.Lock()
        self._accepted: list[float] = []
        self.rate = rate

    def take(self, at: float) -> bool:
        """Accepts or refuses a call that came in at `at` (monotonic seconds).

        Handlers run in threads, so calls may be put in a little out of order; every window that holds `at` is checked.
        """
        with self._lock:
            if self.rate <= 0:
                return True
            limit, window = window_of(self.rate)
            times = self._accepted
            place = bisect_right(times, at)
            first = max(0, place - limit)
            last = min(place, len(times) - limit)
            for start in range(first, last + 1):
                # `at` stands at `place`, so it is the window's begin, its end, or inside it.
                begin = times[start] if start < place else at
                end_index = start + limit - 1
                end = times[end_index] if end_index >= place else at
                if end - begin < window:
                    return False
            insort(times, at)
            if len(times) > 4 * limit + 1000:
                del times[: len(times) - 2 * limit - 500]
            return True

    def reset(self) -> None:
        """Forgets every accepted call."""
        with self._lock:
            self._accepted.clear()
