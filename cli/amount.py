"""Amounts of money as they are typed."""

from decimal import Decimal

import click

from core.errors import UsageError
from core.money import read_amount


class Amount(click.ParamType[Decimal]):
    """A decimal number of at least 0, with at most six places."""

    name = "amount"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the amount, or fail as a usage error."""
        try:
            return read_amount(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)
