"""Costs as the REST API answers them."""

from decimal import Decimal
from typing import Self

from pydantic import Field

from actions.cost_sheet import name_of, saved
from console.api.fields import like
from console.api.outputs import ApiAnswer
from core.settings import Settings
from db.costs import NUMBERS, CostLine, CostsBy

_EXAMPLE = {
    "key": "2026-01-02",
    "name": "2026-01-02",
    "calls": 521,
    "paid": 519,
    "maybe_paid": 1,
    "unpaid": 1,
    "open": 0,
    "reused": 400,
    "skipped": 12,
    "cost": "10.40",
    "maybe_cost": "0.02",
    "saved_by_reuse": "8.00",
    "saved_by_screening": "0.24",
}


class CostLineOut(ApiAnswer):
    """What one day, batch, connection or lane came to."""

    model_config = like(_EXAMPLE)

    key: str = Field(description="A date, a number or a name; empty for what came through no connection")
    name: str
    calls: int
    paid: int
    maybe_paid: int
    unpaid: int
    open: int
    reused: int
    skipped: int
    cost: Decimal
    maybe_cost: Decimal
    saved_by_reuse: Decimal = Field(description="At the price of today")
    saved_by_screening: Decimal = Field(description="At the price of today")

    @classmethod
    def of(cls, line: CostLine, by: CostsBy, settings: Settings) -> Self:
        """Return a line as an answer."""
        by_reuse, by_screening = saved(line, settings)
        numbers = {name: getattr(line, name) for name in NUMBERS}
        return cls(
            key=line.key,
            name=name_of(line, by),
            saved_by_reuse=by_reuse,
            saved_by_screening=by_screening,
            **numbers,
        )


class CostsByOut(ApiAnswer):
    """What was called, paid and saved."""

    model_config = like({"currency": "USD", "is_free": False, "lines": [_EXAMPLE]})

    currency: str
    is_free: bool = Field(description="Whether calls go to the sandbox, so that nothing of it is paid")
    lines: list[CostLineOut]
