"""Counts what came in and what went out."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from typing import Any

TOLD_TIMES = 1000
TOLD_IMAGES = 5000


class Stats:
    """All counts of one sandbox; times are monotonic seconds of this machine."""

    def __init__(self, *, keep_times: bool) -> None:
        self._lock = threading.Lock()
        self._keep_times = keep_times
        self._in_flight = 0
        self._clear()

    def _clear(self) -> None:
        self._received = self._accepted = self._throttled = self._outputs_served = 0
        self._max_in_flight = self._in_flight
        self._by_code: Counter[str] = Counter()
        self._by_fault: Counter[str] = Counter()
        self._calls_per_image: Counter[str] = Counter()
        self._paid_per_image: Counter[str] = Counter()
        self._recent: list[float] = []
        self._recent_accepted: list[float] = []
        self._max_in_second = self._max_accepted_in_second = 0
        self._first_accepted: float | None = None
        self._last_accepted: float | None = None
        self._accepted_times: deque[float] = deque(maxlen=None if self._keep_times else TOLD_TIMES)

    def arrived(self, at: float) -> None:
        """A removal call came in; `left` must follow."""
        with self._lock:
            self._received += 1
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)
            self._max_in_second = max(self._max_in_second, _push(self._recent, at))

    def accepted(self, at: float) -> None:
        """The call fitted into the quota."""
        with self._lock:
            self._accepted += 1
            self._max_accepted_in_second = max(self._max_accepted_in_second, _push(self._recent_accepted, at))
            self._first_accepted = at if self._first_accepted is None else min(self._first_accepted, at)
            self._last_accepted = at if self._last_accepted is None else max(self._last_accepted, at)
            self._accepted_times.append(at)

    def throttled(self) -> None:
        """The call did not fit into the quota."""
        with self._lock:
            self._throttled += 1

    def fault(self, name: str) -> None:
        """A fault was picked for the call."""
        with self._lock:
            self._by_fault[name] += 1

    def image(self, sha256: str, *, paid: bool) -> None:
        """A photo was received; `paid` when it was worked on, so that a real account would have been charged."""
        with self._lock:
            self._calls_per_image[sha256] += 1
            if paid:
                self._paid_per_image[sha256] += 1

    def left(self, code: str) -> None:
        """The call is over: `code` is what it was answered with."""
        with self._lock:
            self._in_flight -= 1
            self._by_code[code] += 1

    def output_served(self) -> None:
        """An output was fetched."""
        with self._lock:
            self._outputs_served += 1

    def reset(self) -> None:
        """Starts counting anew; calls in flight stay counted as such."""
        with self._lock:
            self._clear()

    def snapshot(self) -> dict[str, Any]:
        """The counts as a JSON-ready dict."""
        with self._lock:
            images = {
                digest: {"calls": calls, "paid": self._paid_per_image[digest]}
                for digest, calls in self._calls_per_image.most_common(TOLD_IMAGES)
            }
            times = sorted(self._accepted_times)
            return {
                "received": self._received,
                "accepted": self._accepted,
                "throttled": self._throttled,
                "in_flight": self._in_flight,
                "max_in_flight": self._max_in_flight,
                "max_in_second": self._max_in_second,
                "max_accepted_in_second": self._max_accepted_in_second,
                "by_code": dict(self._by_code),
                "by_fault": dict(self._by_fault),
                "first_accepted": self._first_accepted,
                "last_accepted": self._last_accepted,
                "accepted_times": times if self._keep_times or self._accepted <= TOLD_TIMES else [],
                "distinct_images": len(self._calls_per_image),
                "paid": self._paid_per_image.total(),
                "paid_again": sum(count - 1 for count in self._paid_per_image.values() if count > 1),
                "images": images,
                "outputs_served": self._outputs_served,
            }


def _push(times: list[float], at: float) -> int:
    """Puts `at` in order, forgets what is long past, and counts the second that ends with the newest call."""
    insort(times, at)
    newest = times[-1]
    del times[: bisect_left(times, newest - 5.0)]
    return len(times) - bisect_right(times, newest - 1.0)
