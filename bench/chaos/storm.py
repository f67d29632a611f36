"""Photos under fire: what is handed in, what hits it and when, and what was seen meanwhile."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from bench.chaos.blows import BLOWS, Blow, Hurt
from bench.chaos.rig import THREADS, Rig, write_photos
from core.states import Lane
from db import budgets
from producer.intake import BatchOptions

BUDGET_SHARE = 0.75
"""Of the batch with a limit, so many of its photos' number may be called before somebody raises it."""
STILL_SECONDS = 120.0
"""Nothing has ended for so long: that is called standing still."""
AFTERMATH_SECONDS = 4.0
"""For so long after a blow a call may still be refused because of it."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A batch, and the hashes of its photos."""

    batch_id: int
    hashes: frozenset[str]
    max_calls: int | None = None


@dataclass(slots=True)
class Seen:
    """What was seen while it went on.

    Args:
        batches: What was handed in.
        blows: Each blow's moment in seconds, its name, and what is special about it.
        lost: At most so many calls were in flight where somebody was lost.
        refused: Each refusal's moment, in seconds, and how many were refused since the look before.
        shaken: When calls may be refused, in seconds.
        budget_calls: How many calls the photos of the limited batch had had when it was paused.
        seconds: How long it all took.
    """

    batches: list[Handed] = field(default_factory=list)
    blows: list[tuple[float, str, str]] = field(default_factory=list)
    lost: int = 0
    refused: list[tuple[float, int]] = field(default_factory=list)
    shaken: list[tuple[float, float]] = field(default_factory=list)
    budget_calls: int | None = None
    seconds: float = 0.0


class StandsStill(Exception):
    """Nothing moved for too long, or the time is up."""


class Storm:
    """One run.

    Args:
        rig: What is hurt.
        seed: Says what hits it, and when.
        tell: Told what happens.
    """

    def __init__(self, rig: Rig, seed: int, tell: Callable[[str], None]) -> None:
        self._rig = rig
        self._dice = random.Random(seed)
        self._tell = tell
        self._began = time.monotonic()
        self._pending: list[tuple[float, str, Hurt]] = []
        self._throttled = 0
        self.seen = Seen()

    def run(self, folder: Path, photos: int, seconds: float) -> Seen:
        """Hand photos in, strike until all have ended, and return what was seen.

        Raises:
            StandsStill: Nothing ended for two minutes, or not all had ended in time.
        """
        self._hand_in(folder, photos)
        self._began = time.monotonic()
        next_blow, moved, before = 3.0, 0.0, -1
        while True:
            now = self._now()
            done, is_over = self._look()
            if done != before:
                before, moved = done, now
            if is_over:
                break
            if now - moved > STILL_SECONDS or now > seconds:
                raise StandsStill(f"{done} photos had ended after {moved:.0f} s, and no more until {now:.0f} s")
            self._mend(now)
            if now >= next_blow:
                self._strike(now)
                next_blow = now + self._dice.uniform(1.5, 6.0)
            time.sleep(0.25)
        self._mend(float("inf"))
        self.seen.seconds = self._now()
        return self.seen

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _hand_in(self, folder: Path, photos: int) -> None:
        limited, urgent = photos // 5, photos // 10
        kinds = (
            ("bulk", photos - limited - urgent, BatchOptions()),
            ("limited", limited, BatchOptions(max_calls=int(limited * BUDGET_SHARE))),
            ("urgent", urgent, BatchOptions(lane=Lane.INTERACTIVE)),
        )
        first = 0
        for name, count, options in kinds:
            hashes = write_photos(folder / name, first, count)
            first += count
            batch_id = self._rig.fleet.submit(folder / name, options)
            self.seen.batches.append(Handed(batch_id, frozenset(hashes.values()), options.max_calls))

    def _look(self) -> tuple[int, bool]:
        """Return how many jobs have ended, and whether all have; raises the limit once only that is in the way."""
        fleet = self._rig.fleet
        counts = [fleet.counts(handed.batch_id) for handed in self.seen.batches]
        done = sum(each.succeeded + each.dead + each.held for each in counts)
        stats = self._stats()
        if stats and stats["throttled"] != self._throttled:
            self.seen.refused.append((self._now(), stats["throttled"] - self._throttled))
            self._throttled = stats["throttled"]
        limited = next(handed for handed in self.seen.batches if handed.max_calls is not None)
        if self.seen.budget_calls is None and stats and self._is_used_up(limited):
            self.seen.budget_calls = calls_for(stats["images"], limited.hashes)
            with fleet.engine.begin() as connection:
                budgets.set_limits(connection, limited.batch_id, max_calls=100_000, max_cost=Decimal(100_000))
            self._say("budget used up", f"{self.seen.budget_calls} calls of {limited.max_calls}; raised")
        return done, done == sum(each.total for each in counts)

    def _is_used_up(self, limited: Handed) -> bool:
        batch = self._rig.fleet.batch(limited.batch_id)
        return batch.pause_reason == "budget" and self._rig.fleet.counts(limited.batch_id).running == 0

    def _stats(self) -> dict[str, Any]:
        try:
            return self._rig.stats()
        except httpx.TransportError:
            return {}

    def _strike(self, now: float) -> None:
        going_on = {name for _, name, _ in self._pending}
        blow = self._dice.choice([each for each in BLOWS if name_of(each) not in going_on and self._can(each)])
        hurt = blow(self._rig, self._dice)
        self._say(name_of(blow), f"{hurt.word} for {hurt.seconds:.1f} s".strip() if hurt.seconds else hurt.word)
        self.seen.lost += THREADS if hurt.loses_calls else 0
        if hurt.refuses_calls:
            self.seen.shaken.append((now, self._now() + hurt.seconds + AFTERMATH_SECONDS))
        self._pending.append((now + hurt.seconds, name_of(blow), hurt))

    def _can(self, blow: Blow) -> bool:
        return self._rig.can_fill_store or name_of(blow) != "fill store"

    def _mend(self, now: float) -> None:
        for each in [each for each in self._pending if each[0] <= now]:
            each[2].mend()
            self._pending.remove(each)

    def _say(self, what: str, word: str) -> None:
        now = self._now()
        self.seen.blows.append((now, what, word))
        self._tell(f"{now:6.1f} s  {what} {word}".rstrip())


def name_of(blow: Blow) -> str:
    """Return what a blow is called."""
    return blow.__name__.replace("_", " ")


def calls_for(images: Mapping[str, Mapping[str, int]], hashes: frozenset[str]) -> int:
    """Return how many calls the sandbox accepted for these photos."""
    return sum(count["calls"] for digest, count in images.items() if digest in hashes)
