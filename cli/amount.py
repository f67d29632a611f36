"""Amounts of money as they are typed."""

from decimal import Decimal, InvalidOperation

import click

MOST = Decimal(10) ** 12
PLACES = 6


class Amount(click.ParamType[Decimal]):
    """A decimal number of at least 0, with at most six places."""

    name = "amount"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the amount, or fail as a usage error."""
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is no amount; write a number such as 12.50", param, ctx)
        if not amount.is_finite() or not 0 <= amount <= MOST:
            self.fail(f"{value!r} must be 0 or more, and no more than {MOST:,}", param, ctx)
        if amount != round(amount, PLACES):
            self.fail(f"{value!r} has more than {PLACES} places", param, ctx)
        return amount


def money(amount: Decimal, currency: str) -> str:
    """Return an amount as people read it, without needless zeros but with at least two places."""
    plain = amount.normalize()
    exponent = plain.as_tuple().exponent
    places = max(2, -exponent if isinstance(exponent, int) else 2)
    return f"{amount:,.{places}f} {currency}"
