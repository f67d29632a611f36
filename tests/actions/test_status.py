"""The one line on how the whole stands."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actions.status import Level, Signs, judge
from core.states import Lane
from db.circuits import OpenCircuit
from db.overview import LaneView
from db.processes import Process
from removal.limiter.view import LimiterView

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ALIVE = [Process(role, role, True, True, NOW, NOW) for role in ("dispatcher", "worker")]
WORKS = LaneView(Lane.BULK, pending=90, queued=6, running=4, oldest_seconds=1.0)
LIMITER = LimiterView(5.0, 5.0, 0.0, 0.0, 0, 10, 0, 0, 0.2)
HEALTHY = Signs([WORKS], None, LIMITER, False, ALIVE, {}, 5.0)


def circuit(reason: str) -> OpenCircuit:
    return OpenCircuit(reason, "801", "busy", NOW, NOW, NOW, 2, False)


CASES: dict[str, tuple[Signs, Level, str]] = {
    "work is done": (HEALTHY, Level.HEALTHY, "100 photos are waiting or in progress."),
    "nothing to do": (replace(HEALTHY, lanes=[], processes=[]), Level.HEALTHY, "nothing is waiting."),
    "redis": (replace(HEALTHY, redis_fails=True), Level.TROUBLE, "Redis does not answer"),
    "outage": (replace(HEALTHY, circuit=circuit("outage")), Level.STOPPED, "the API is down (801: busy)"),
    "account": (replace(HEALTHY, circuit=circuit("account")), Level.STOPPED, "the API refuses the account"),
    "no worker": (
        replace(HEALTHY, processes=ALIVE[:1]),
        Level.STOPPED,
        "no worker is running, so 100 photos are waiting.",
    ),
    "no dispatcher": (replace(HEALTHY, processes=ALIVE[1:]), Level.STOPPED, "no dispatcher is running"),
    "throttled": (
        replace(HEALTHY, limiter=replace(LIMITER, closed_for_seconds=7.0)),
        Level.SLOW,
        "all calls wait 7 s",
    ),
    "a lower quota": (
        replace(HEALTHY, limiter=replace(LIMITER, learned_rate=2.0)),
        Level.SLOW,
        "2 of the 5 calls/s configured",
    ),
    "stuck": (
        replace(HEALTHY, lanes=[replace(WORKS, running=0, oldest_seconds=600.0)]),
        Level.TROUBLE,
        "the oldest for 10 min",
    ),
    "paused": (
        replace(HEALTHY, lanes=[], paused={"budget": 1, "hand": 2}),
        Level.STOPPED,
        "3 batches are paused: 1 for budget, 2 by hand.",
    ),
    "paused beside work": (replace(HEALTHY, paused={"hand": 2}), Level.HEALTHY, "100 photos are waiting"),
}


@pytest.mark.parametrize("case", CASES)
def test_how_it_stands(case: str) -> None:
    signs, level, what = CASES[case]
    found = judge(signs)
    assert (found.level, what in found.what) == (level, True), found
    assert found.advice or found.level in {Level.HEALTHY, Level.SLOW}


@pytest.mark.parametrize(
    ("paused", "advice"),
    [
        ({"budget": 1, "canary": 1}, "Raise the budget"),
        ({"canary": 1, "hand": 1}, "Review the canary"),
        ({"hand": 1}, "Resume them"),
        ({"else": 1}, "Resume them"),
    ],
)
def test_of_several_pauses_the_first_to_do_is_told(paused: Mapping[str, int], advice: str) -> None:
    assert judge(replace(HEALTHY, lanes=[], paused=paused)).advice.startswith(advice)


def test_it_reads_as_a_line_with_its_time() -> None:
    told = str(judge(replace(HEALTHY, circuit=circuit("outage"))))
    assert told.startswith("Stopped since 2026-01-02 03:04:00 UTC: the API is down (801: busy); no calls are made")
    assert told.endswith("work continues when it answers.")
