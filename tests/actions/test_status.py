"""The one line on how the whole stands."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actions.levels import Level, Standing
from actions.status import Signs, find_alarms, judge
from core.states import Lane
from db.acknowledgements import Acknowledgement
from db.circuits import OpenCircuit
from db.overview import LaneView, PausedBatches
from db.processes import Process
from removal.limiter.view import LimiterView

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ALIVE = [Process(role, role, True, True, NOW, NOW) for role in ("dispatcher", "worker")]
WORKS = LaneView(Lane.BULK, pending=90, queued=6, running=4, oldest_seconds=1.0)
LIMITER = LimiterView(5.0, 5.0, 0.0, 0.0, 0, 10, 0, 0, 0.2)
HEALTHY = Signs(NOW, [WORKS], None, LIMITER, False, ALIVE, [], 0, 5.0, {})


def by_reason(**counts: int) -> list[PausedBatches]:
    return [PausedBatches(reason, count, 7, NOW, NOW) for reason, count in sorted(counts.items())]


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
        replace(HEALTHY, lanes=[], paused=by_reason(budget=1, hand=2)),
        Level.STOPPED,
        "3 batches are paused: 1 for budget, 2 by hand.",
    ),
    "paused beside work": (replace(HEALTHY, paused=by_reason(hand=2)), Level.HEALTHY, "100 photos are waiting"),
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
        ({"hand": 1}, "Resume it when"),
        ({"hand": 2}, "Resume them when"),
        ({"else": 1}, "Resume it when"),
    ],
)
def test_of_several_pauses_the_first_to_do_is_told(paused: Mapping[str, int], advice: str) -> None:
    assert judge(replace(HEALTHY, lanes=[], paused=by_reason(**paused))).advice.startswith(advice)


def test_it_reads_as_a_line_with_its_time() -> None:
    told = str(judge(replace(HEALTHY, circuit=circuit("outage"))))
    assert told.startswith("Stopped since 2026-01-02 03:04:00 UTC: the API is down (801: busy); no calls are made")
    assert told.endswith("work continues when it answers.")


def known(alarm: Standing, **changed: object) -> dict[str, Acknowledgement]:
    """Return that somebody knows of an alarm as it is."""
    told = Acknowledgement(alarm.name, "ann", None, alarm.newest, alarm.weight)
    return {alarm.name: replace(told, **changed)}  # type: ignore[arg-type]


LATER = NOW + timedelta(minutes=5)
PAUSED = replace(HEALTHY, lanes=[], paused=by_reason(hand=2))
SLOWED = replace(HEALTHY, limiter=replace(LIMITER, learned_rate=2.0))
OUT = replace(HEALTHY, circuit=circuit("outage"))


@pytest.mark.parametrize(
    ("then", "now", "is_quiet"),
    [
        (OUT, OUT, True),
        (OUT, replace(OUT, circuit=replace(circuit("outage"), opened_at=LATER)), False),
        (OUT, replace(HEALTHY, circuit=circuit("account")), False),
        (PAUSED, PAUSED, True),
        (PAUSED, replace(PAUSED, paused=by_reason(hand=1)), True),
        (PAUSED, replace(PAUSED, paused=[*by_reason(hand=2), PausedBatches("budget", 1, 9, LATER, LATER)]), False),
        (SLOWED, SLOWED, True),
        (SLOWED, replace(SLOWED, limiter=replace(LIMITER, learned_rate=3.0)), True),
        (SLOWED, replace(SLOWED, limiter=replace(LIMITER, learned_rate=1.0)), False),
    ],
)
def test_an_acknowledged_alarm_is_quiet_until_there_is_a_new_or_a_worse_one(
    then: Signs, now: Signs, *, is_quiet: bool
) -> None:
    told = judge(replace(now, acknowledged=known(judge(then))))
    assert (told.acknowledged is not None) == is_quiet
    assert told.what == judge(now).what, "it stays in sight"
    assert not (is_quiet and told.needs_somebody)
    assert ("acknowledged by ann until it changes" in str(told)) == is_quiet


def test_of_several_alarms_the_gravest_is_told_that_nobody_knows_of() -> None:
    signs = replace(OUT, processes=[])
    assert [alarm.name for alarm in find_alarms(signs)] == ["api-out", "no-dispatcher", "no-worker"]
    known_of = known(find_alarms(signs)[0]) | known(find_alarms(signs)[1])
    told = judge(replace(signs, acknowledged=known_of))
    assert (told.name, told.acknowledged) == ("no-worker", None)
    assert judge(replace(signs, acknowledged=known_of | known(find_alarms(signs)[2]))).name == "api-out"


def test_one_paused_batch_is_led_to_and_photos_to_review_are_told_when_all_is_well() -> None:
    told = judge(replace(HEALTHY, lanes=[], paused=by_reason(budget=1)))
    assert (told.place, told.label, told.since) == ("/batches/7", "Raise the budget", NOW)
    told = judge(replace(HEALTHY, lanes=[], held=3))
    assert (told.level, told.advice, told.place) == (Level.HEALTHY, "3 photos need review.", "/review")
