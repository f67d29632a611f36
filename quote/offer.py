"""What a batch would come to, in numbers."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from core.states import Screen
from quote.pace import seconds_for


@dataclass(slots=True)
class Refusal:
    """Photos that would not be called for the same reason: how many, and one of them."""

    count: int
    example: str
    message: str


@dataclass(slots=True)
class Quote:
    """What a batch would come to: `photos` are `duplicates`, `refused`, `cleaned` and `to_call` together.

    Args:
        photos: All that the source names.
        duplicates: Photos that come again in the same source.
        cleaned: Cleaned before, not paid again.
        cleaned_urls: How many of those are URLs, unless there is another photo behind them now.
        to_call: Calls that would be made, if each photo takes one.
        urls: How many of those are URLs, which were not fetched.
        refusals: Why photos would not be called, by code.
        fitted: Photos outside the API's bounds that would be made to fit.
        steps: How, and how many of each.
        losses: What outputs will not have as their photos do, and how many of each.
        price: Of one call.
        currency: Of the price.
        rate: Calls per second.
        within_budget: Calls that the batch's limits allow; None without limits.
        looked: Photos that were looked at, drawn at random from those to be called that are here.
        bare: How many of those had nothing on them that is to be taken off.
        screen: What becomes of such photos.
        is_blind: Whether they are to be told apart and nobody can do so here.
    """

    price: Decimal
    currency: str
    rate: float
    photos: int = 0
    duplicates: int = 0
    cleaned: int = 0
    cleaned_urls: int = 0
    to_call: int = 0
    urls: int = 0
    fitted: int = 0
    refusals: dict[str, Refusal] = field(default_factory=dict)
    steps: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    within_budget: int | None = None
    looked: int = 0
    bare: int = 0
    screen: Screen = Screen.OFF
    is_blind: bool = False

    @property
    def refused(self) -> int:
        """Photos that would not be called because they cannot be used, or were refused or held before."""
        return sum(refusal.count for refusal in self.refusals.values())

    @property
    def unique(self) -> int:
        """Different photos that can be used."""
        return self.cleaned + self.to_call

    @property
    def cost(self) -> Decimal:
        """Of all calls."""
        return self.price * self.to_call

    @property
    def bare_share(self) -> float:
        """Of the photos that were looked at, the share that had nothing on them."""
        return self.bare / self.looked if self.looked else 0.0

    @property
    def seconds(self) -> int:
        """How long the calls take at this rate, rounded up."""
        return seconds_for(self.to_call, self.rate)

    def refuse(self, code: str, name: str, message: str) -> None:
        """Count a photo that would not be called."""
        self.refusals.setdefault(code, Refusal(0, name, message)).count += 1
