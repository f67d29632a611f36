"""What a command tells at its end: one JSON object, or a few lines."""

import json
from dataclasses import dataclass
from pathlib import Path

from cli.speech import say
from core.errors import CleanplateError
from core.figures import count, counted, duration
from core.money import describe_spent
from core.settings import Settings
from core.states import NOTHING_TO_REMOVE
from db.costs import Spent
from db.looks import Screened
from db.tallies import BatchCounts

EXIT_CLEAN, EXIT_INCOMPLETE = 0, 1


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run that ended, or was stopped."""

    batch: int
    counts: BatchCounts
    spent: Spent
    settings: Settings
    seconds: float
    out: Path
    report: Path
    failures: list[tuple[str, int, str]]
    screened: Screened
    stopped: CleanplateError | KeyboardInterrupt | None = None

    @property
    def exit_code(self) -> int:
        """0 when every photo is clean, else 1."""
        return EXIT_CLEAN if self.counts.succeeded == self.counts.total else EXIT_INCOMPLETE

    def as_json(self) -> str:
        """Return the object `--json` prints."""
        counts = self.counts.as_dict()
        order = ("total", "succeeded", "reused", "dead", "held", "cancelled", "pending")
        picked = {name: counts[name] for name in order}
        picked["pending"] = self.counts.unsettled
        calls = {name: counts[name] for name in ("calls", "throttled", "retries", "maybe_billed")}
        calls |= {"bare": self.screened.bare, "skipped": self.screened.skipped}
        cost = {"paid": self.spent.paid, "cost": float(self.spent.cost), "currency": self.settings.removal_currency}
        tail = {"seconds": round(self.seconds, 3), "out": str(self.out), "report": str(self.report)}
        return json.dumps({"batch": self.batch, **picked, **calls, **cost, **tail})

    def print(self, *, command: str = "cleanplate") -> None:
        """Print the summary for a person on stderr.

        Args:
            command: What our command is called with, to reach this run's database.
        """
        counts = self.counts
        reused = f" ({count(counts.reused)} of them cleaned before, not paid for again)" if counts.reused else ""
        say(f"{count(counts.succeeded)} of {counted(counts.total, 'photo is', 'photos are')} clean{reused}.", err=True)
        if self.screened.skipped:
            were = "was" if self.screened.skipped == 1 else "were"
            say(
                f"{count(self.screened.skipped)} of them had nothing to remove and {were} skipped; `{command} retry "
                f"{self.batch} --code {NOTHING_TO_REMOVE}` processes them anyway.",
                err=True,
            )
        elif self.screened.bare:
            say(
                f"{count(self.screened.bare)} of them had nothing to remove; --screen skip would save the calls.",
                err=True,
            )
        for code, photos, message in self.failures:
            say(f"  {count(photos)} × {code}: {message[:160]}", err=True)
        retries = counted(counts.retries, "retry", "retries")
        spent = f"{counted(counts.calls, 'call')}, {retries}, {count(counts.throttled)} throttled"
        if counts.maybe_billed:
            spent += f", {count(counts.maybe_billed)} maybe billed"
        if self.spent.cost or (self.spent.billed and self.settings.is_free):
            spent += f", {describe_spent(self.spent.cost, self.settings, calls=self.spent.billed)}"
        say(f"{spent}, {duration(self.seconds)}.", err=True)
        say(f"Photos: {self.out}\nReport: {self.report}", err=True)
        if counts.held:
            say(
                f"{counted(counts.held, 'photo needs', 'photos need')} review: see the report or `{command} status "
                f"{self.batch}`, then `{command} accept JOB…` or `{command} reject JOB…`.",
                err=True,
            )
        if counts.dead:
            noun = "one" if counts.dead == 1 else "ones"
            say(f"Retry the failed {noun}: {command} retry {self.batch}", err=True)
