"""How the whole stands, in one line that every door shows: healthy, slow, stopped or in trouble, and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from core.errors import DatabaseDown
from core.figures import counted, moment
from core.settings import Settings
from db import budgets, canaries, circuits, outages, overview, processes
from db.circuits import OpenCircuit
from db.overview import LaneView
from db.processes import Process
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.view import LimiterView, look

STUCK_SECONDS = 60.0
"""So long what is due may wait while nothing at all is being called for."""
SLOW_SHARE = 0.8
"""Below this share of the configured rate it goes slowly."""


class Level(StrEnum):
    """How well it goes."""

    HEALTHY = "healthy"
    SLOW = "slow"
    STOPPED = "stopped"
    TROUBLE = "in trouble"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the whole stands.

    Args:
        level: How well it goes.
        what: Why, as a sentence.
        since: Since when, as far as it is known.
        advice: The one thing to do next, as a sentence; empty when there is nothing.
        place: The console's page where it is done; empty when it is done elsewhere.
        label: What leads there says.
    """

    level: Level
    what: str
    since: datetime | None = None
    advice: str = ""
    place: str = ""
    label: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """Return what JSON tells of it."""
        since = None if self.since is None else self.since.isoformat()
        return {"level": self.level.value, "what": self.what, "since": since, "advice": self.advice}

    def __str__(self) -> str:
        when = "" if self.since is None else f" since {moment(self.since)}"
        return f"{self.level.capitalize()}{when}: {self.what}" + (f" {self.advice}" if self.advice else "")


@dataclass(frozen=True, slots=True)
class Signs:
    """What it is judged by.

    Args:
        lanes: What waits and runs in active batches.
        circuit: Why nobody calls, or None.
        limiter: How fast it goes; None when it is not known.
        redis_fails: Whether Redis does not answer.
        processes: Who is alive, and who fell silent within a day.
        paused: How many batches are paused, by reason.
        rate: Configured calls per second.
    """

    lanes: Sequence[LaneView]
    circuit: OpenCircuit | None
    limiter: LimiterView | None
    redis_fails: bool
    processes: Sequence[Process]
    paused: Mapping[str, int]
    rate: float

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


def find_standing(connection: Connection, settings: Settings) -> Standing:
    """Return how the whole stands at this moment.

    Args:
        connection: An open transaction; only reads.
        settings: Whose account, quota and Redis.
    """
    limiter, redis_fails = None, False
    try:
        limiter = look(settings.redis_url, settings.account)
    except LimiterUnavailable:
        redis_fails = True
    return judge(
        Signs(
            overview.look_at_lanes(connection),
            circuits.find_open(connection, settings.account),
            limiter,
            redis_fails,
            processes.list_recent(connection),
            overview.count_paused(connection),
            settings.removal_rate,
        )
    )


def judge(signs: Signs) -> Standing:
    """Return how the whole stands: the first of these that is the case, the gravest first."""
    if signs.redis_fails:
        return Standing(
            Level.TROUBLE,
            "Redis does not answer, so no calls are made; photos wait in PostgreSQL.",
            advice="Start it; everything continues by itself.",
        )
    if signs.circuit is not None:
        return _of_circuit(signs.circuit)
    if signs.waiting:
        return _of_silence(signs) or _of_pace(signs)
    if signs.paused:
        return _of_pauses(signs.paused)
    return Standing(Level.HEALTHY, "nothing is waiting.")


def of_database(error: DatabaseDown) -> Standing:
    """Return how it stands when PostgreSQL does not say."""
    return Standing(Level.TROUBLE, str(error))


def _of_circuit(circuit: OpenCircuit) -> Standing:
    if circuit.reason == outages.REASON:
        return Standing(
            Level.STOPPED,
            f"the API is down ({circuit.code}: {circuit.message}); no calls are made, and photos wait.",
            circuit.opened_at,
            "It is checked automatically, and work continues when it answers.",
        )
    return Standing(
        Level.STOPPED,
        f"the API refuses the account ({circuit.code}: {circuit.message}); no calls are made, and photos wait.",
        circuit.opened_at,
        "Check REMOVAL_API_KEY, REMOVAL_API_SECRET, the account's quota and this machine's clock; it is checked again "
        "automatically.",
    )


def _of_silence(signs: Signs) -> Standing | None:
    alive = {process.role for process in signs.processes if process.is_alive}
    for role in ("dispatcher", "worker"):
        if role not in alive:
            last = max((each.seen_at for each in signs.processes if each.role == role), default=None)
            return Standing(
                Level.STOPPED,
                f"no {role} is running, so {_photos(signs.waiting)}.",
                last,
                f"Start one: `cleanplate {role}`, or `cleanplate up` for all.",
            )
    return None


def _of_pace(signs: Signs) -> Standing:
    limiter = signs.limiter
    if limiter is not None and limiter.closed_for_seconds > 1:
        return Standing(Level.SLOW, f"the API throttled us; all calls wait {limiter.closed_for_seconds:.0f} s.")
    if signs.running == 0 and signs.oldest_seconds > STUCK_SECONDS:
        return Standing(
            Level.TROUBLE,
            f"{_photos(signs.waiting)}, the oldest for {signs.oldest_seconds / 60:.0f} min; none is being processed.",
            advice="See the logs of the dispatcher and the workers.",
        )
    if limiter is not None and 0 < limiter.learned_rate < SLOW_SHARE * signs.rate:
        return Standing(
            Level.SLOW,
            f"the API takes {limiter.learned_rate:.3g} of the {signs.rate:g} calls/s configured; "
            f"{_photos(signs.waiting)}.",
            advice="It speeds up by itself when it can; ask the provider about your quota.",
        )
    return Standing(Level.HEALTHY, f"{_photos(signs.waiting)} or in progress.")


def _of_pauses(paused: Mapping[str, int]) -> Standing:
    total = sum(paused.values())
    known = {
        budgets.PAUSE_REASON: ("for budget", "Raise the budget, or resume tomorrow if the daily limit is used up."),
        canaries.PAUSE_REASON: ("after a failed canary", "Review the canary, then resume or cancel."),
        "hand": ("by hand", "Resume them when you are ready."),
    }
    told = ", ".join(f"{count} {known.get(reason, (reason, ''))[0]}" for reason, count in sorted(paused.items()))
    first = next((reason for reason in known if reason in paused), "")
    advice = known[first][1] if first else "Resume them when you are ready."
    what = counted(total, "batch is paused", "batches are paused")
    return Standing(Level.STOPPED, f"{what}: {told}.", None, advice, "/batches?state=paused", "Paused batches")


def _photos(count: int) -> str:
    return counted(count, "photo is waiting", "photos are waiting")
