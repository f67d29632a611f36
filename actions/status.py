"""How the whole stands, in one line that every door shows: healthy, slow, stopped or in trouble, and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from redis import Redis
from sqlalchemy import Connection

from actions.levels import Level, Standing
from core.errors import DatabaseDown
from core.figures import count, counted
from core.settings import Settings
from db import acknowledgements, budgets, canaries, circuits, outages, overview, processes, session
from db.acknowledgements import Acknowledgement
from db.circuits import OpenCircuit
from db.overview import LaneView, PausedBatches
from db.processes import Process
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.view import LimiterView, look, view

STUCK_SECONDS = 60.0
"""So long what is due may wait while nothing at all is being called for."""
SLOW_SHARE = 0.8
"""Below this share of the configured rate it goes slowly."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What it is judged by.

    Args:
        now: By the database's clock.
        lanes: What waits and runs in active batches.
        circuit: Why nobody calls, or None.
        limiter: How fast it goes; None when it is not known.
        redis_fails: Whether Redis does not answer.
        processes: Who is alive, and who fell silent within a day.
        paused: Batches that are paused, by reason.
        held: Photos that wait for a person.
        rate: Configured calls per second.
        acknowledged: Alarms that somebody knows of, by name.
    """

    now: datetime
    lanes: Sequence[LaneView]
    circuit: OpenCircuit | None
    limiter: LimiterView | None
    redis_fails: bool
    processes: Sequence[Process]
    paused: Sequence[PausedBatches]
    held: int
    rate: float
    acknowledged: Mapping[str, Acknowledgement]

    @property
    def waiting(self) -> int:
        """Photos that wait or run in batches that are not paused."""
        return sum(lane.pending + lane.queued + lane.running for lane in self.lanes)

    @property
    def running(self) -> int:
        """Photos that a worker has."""
        return sum(lane.running for lane in self.lanes)

    @property
    def oldest_seconds(self) -> float:
        """How long what was due first has waited."""
        return max((lane.oldest_seconds or 0.0 for lane in self.lanes), default=0.0)


def find_standing(connection: Connection, settings: Settings, client: Redis | None = None) -> Standing:
    """Return how the whole stands at this moment.

    Args:
        connection: An open transaction; only reads.
        settings: Whose account, quota and Redis.
        client: Of that Redis, for those who look again and again.
    """
    return judge(look_around(connection, settings, client))


def look_around(connection: Connection, settings: Settings, client: Redis | None = None) -> Signs:
    """Return what is judged, Redis asked first."""
    limiter, redis_fails = ask_limiter(settings, client)
    return find_signs(connection, settings, limiter, redis_fails=redis_fails)


def ask_limiter(settings: Settings, client: Redis | None = None) -> tuple[LimiterView | None, bool]:
    """Return how fast it goes, if that is known, and whether Redis does not answer."""
    try:
        return view(client, settings.account) if client else look(settings.redis_url, settings.account), False
    except LimiterUnavailable:
        return None, True


def find_signs(connection: Connection, settings: Settings, limiter: LimiterView | None, *, redis_fails: bool) -> Signs:
    """Return what is judged.

    Args:
        connection: An open transaction; only reads.
        settings: Whose account and quota.
        limiter: How fast it goes.
        redis_fails: Whether Redis does not answer.
    """
    return Signs(
        session.now(connection),
        overview.look_at_lanes(connection),
        circuits.find_open(connection, settings.account),
        limiter,
        redis_fails,
        processes.list_recent(connection),
        overview.look_at_paused(connection),
        overview.count_held(connection),
        settings.removal_rate,
        acknowledgements.find(connection),
    )


def judge(signs: Signs) -> Standing:
    """Return how the whole stands: the gravest alarm that nobody knows of, else the gravest, else that all is well."""
    found = find_alarms(signs)
    loud = [alarm for alarm in found if alarm.acknowledged is None]
    return next(iter([*loud, *found]), None) or _of_health(signs)


def find_alarms(signs: Signs) -> list[Standing]:
    """Return all that is the case, the gravest first; what somebody knows of says so."""

    def mark(alarm: Standing) -> Standing:
        known = signs.acknowledged.get(alarm.name)
        return replace(alarm, acknowledged=known) if known is not None and alarm.is_covered_by(known) else alarm

    return [mark(alarm) for alarm in _find(signs)]


def of_database(error: DatabaseDown) -> Standing:
    """Return how it stands when PostgreSQL does not say."""
    return Standing(Level.TROUBLE, str(error))


def _find(signs: Signs) -> Iterator[Standing]:
    if signs.redis_fails:
        yield Standing(
            Level.TROUBLE,
            "Redis does not answer, so no calls are made; photos wait in PostgreSQL.",
            advice="Start it; everything continues by itself.",
            name="redis-down",
        )
    if signs.circuit is not None:
        yield _of_circuit(signs.circuit)
    if signs.waiting:
        silence = list(_of_silence(signs))
        yield from silence
        if signs.circuit is None and not signs.redis_fails and not silence:
            yield from _of_pace(signs)
    elif signs.paused:
        yield _of_pauses(signs.paused)


def _of_health(signs: Signs) -> Standing:
    what = f"{_waiting(signs.waiting)} or in progress." if signs.waiting else "nothing is waiting."
    if not signs.held:
        return Standing(Level.HEALTHY, what)
    review = counted(signs.held, "photo needs review.", "photos need review.")
    return Standing(Level.HEALTHY, what, advice=review, place="/review", label="Review")


def _of_circuit(circuit: OpenCircuit) -> Standing:
    if circuit.reason == outages.REASON:
        name, what = "api-out", "is down"
        advice = "It is checked automatically, and work continues when it answers."
    else:
        name, what = "account-refused", "refuses the account"
        advice = (
            "Check REMOVAL_API_KEY, REMOVAL_API_SECRET, the account's quota and this machine's clock; it is "
            "checked again automatically."
        )
    return Standing(
        Level.STOPPED,
        f"the API {what} ({circuit.code}: {circuit.message}); no calls are made, and photos wait.",
        circuit.opened_at,
        advice,
        label="Ask it now",
        does="/alarms/ask-now",
        name=name,
        newest=circuit.opened_at,
    )


def _of_silence(signs: Signs) -> Iterator[Standing]:
    alive = {process.role for process in signs.processes if process.is_alive}
    for role in ("dispatcher", "worker"):
        if role not in alive:
            last = max((each.seen_at for each in signs.processes if each.role == role), default=None)
            yield Standing(
                Level.STOPPED,
                f"no {role} is running, so {_waiting(signs.waiting)}.",
                last,
                f"Start one: `cleanplate {role}`, or `cleanplate up` for all.",
                name=f"no-{role}",
                newest=last,
            )


def _of_pace(signs: Signs) -> Iterator[Standing]:
    limiter, age = signs.limiter, signs.oldest_seconds
    if limiter is not None and limiter.closed_for_seconds > 1:
        yield Standing(
            Level.SLOW,
            f"the API throttled us; all calls wait {limiter.closed_for_seconds:.0f} s.",
            name="throttled",
        )
    elif signs.running == 0 and age > STUCK_SECONDS:
        since = signs.now - timedelta(seconds=age)
        yield Standing(
            Level.TROUBLE,
            f"{_waiting(signs.waiting)}, the oldest for {age / 60:.0f} min; none is being processed.",
            since,
            "See the logs of the dispatcher and the workers.",
            name="stuck",
            newest=since,
        )
    elif limiter is not None and 0 < limiter.learned_rate < SLOW_SHARE * signs.rate:
        yield Standing(
            Level.SLOW,
            f"the API takes {limiter.learned_rate:.3g} of the {signs.rate:g} calls/s configured; "
            f"{_waiting(signs.waiting)}.",
            advice="It speeds up by itself when it can; ask the provider about your quota.",
            name="slow",
            weight=-limiter.learned_rate,
        )


_RESUME = "Resume {them} when you are ready."
_ADVICE = {
    budgets.PAUSE_REASON: (
        "for budget",
        "Raise the budget, or resume tomorrow if the daily limit is used up.",
        "Raise the budget",
    ),
    canaries.PAUSE_REASON: ("after a failed canary", "Review the canary, then resume or cancel.", "Review the canary"),
    "hand": ("by hand", _RESUME, "Open the batch"),
}


def _of_pauses(paused: Sequence[PausedBatches]) -> Standing:
    total = sum(each.count for each in paused)
    by_reason = {each.reason: each for each in paused}
    why = [_ADVICE.get(each.reason, (each.reason,))[0] for each in paused]
    told = ", ".join(f"{each.count:,} {words}" for each, words in zip(paused, why, strict=True))
    first = next((reason for reason in _ADVICE if reason in by_reason), "")
    _, advice, label = _ADVICE.get(first, ("", _RESUME, "Open the batch"))
    is_one = total == 1
    return Standing(
        Level.STOPPED,
        f"1 batch is paused {why[0]}." if is_one else f"{count(total)} batches are paused: {told}.",
        min((each.since for each in paused if each.since is not None), default=None),
        advice.format(them="it" if is_one else "them"),
        f"/batches/{paused[0].first_id}" if is_one else "/batches?state=paused",
        label if is_one else "Paused batches",
        name="paused",
        newest=max((each.newest for each in paused if each.newest is not None), default=None),
    )


def _waiting(count: int) -> str:
    return counted(count, "photo is waiting", "photos are waiting")
