"""How the whole stands, as it is told at every door: how well, why, since when, and the one thing to do next."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.figures import moment
from db.acknowledgements import Acknowledgement

MARGIN_SECONDS = 0.001
"""A time that is reckoned from an age is a few millionths of a second off."""


class Level(StrEnum):
    """How well it goes."""

    HEALTHY = "healthy"
    SLOW = "slow"
    STOPPED = "stopped"
    TROUBLE = "in trouble"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the whole stands, or one of the alarms of which that is the gravest.

    Args:
        level: How well it goes.
        what: Why, as a sentence.
        since: Since when, as far as it is known.
        advice: The one thing to do next, as a sentence; empty when there is nothing.
        place: The console's page where it is done; empty when it is done elsewhere.
        label: What leads there says.
        does: Where the console's form is sent that does it, instead of a page.
        name: Stands for the alarm in addresses and commands; empty when it is none.
        newest: When the last of what it tells of happened, if that is known: what comes later is a new alarm.
        weight: How bad it is among those of its name; one that is worse is a new alarm.
        acknowledged: Who knows of it, so that it is told quietly.
    """

    level: Level
    what: str
    since: datetime | None = None
    advice: str = ""
    place: str = ""
    label: str = ""
    does: str = ""
    name: str = ""
    newest: datetime | None = None
    weight: float = 0.0
    acknowledged: Acknowledgement | None = None

    @property
    def needs_somebody(self) -> bool:
        """Whether it is more than slow, and nobody has said that they know."""
        return self.level in {Level.STOPPED, Level.TROUBLE} and self.acknowledged is None

    def is_covered_by(self, known: Acknowledgement) -> bool:
        """Whether somebody who acknowledged an alarm of this name knew of this one, and of nothing less bad."""
        if self.weight > known.weight:
            return False
        if self.newest is None or known.covers is None:
            return self.newest is known.covers
        return (self.newest - known.covers).total_seconds() <= MARGIN_SECONDS

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON tells of it."""
        known = self.acknowledged
        return {
            "level": self.level.value,
            "what": self.what,
            "since": _iso(self.since),
            "advice": self.advice,
            "alarm": self.name or None,
            "acknowledged_by": None if known is None else known.acknowledged_by,
            "acknowledged_until": None if known is None else _iso(known.until),
        }

    def __str__(self) -> str:
        when = "" if self.since is None else f" since {moment(self.since)}"
        known = "" if self.acknowledged is None else f" ({self.acknowledged})"
        return f"{self.level.capitalize()}{when}{known}: {self.what}" + (f" {self.advice}" if self.advice else "")


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
