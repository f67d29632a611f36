"""Amounts of money: as they are read, and as people read them."""

from decimal import Decimal, InvalidOperation

from core.errors import UsageError
from core.figures import counted
from core.settings import Settings

MOST = Decimal(10) ** 12
PLACES = 6
SMALLEST = Decimal(1).scaleb(-PLACES)


def read_amount(told: str) -> Decimal:
    """Return an amount of at least 0, with at most six places.

    Raises:
        UsageError: It is none.
    """
    try:
        amount = Decimal(told)
    except InvalidOperation:
        raise UsageError(f"{told!r} is not an amount; use a number such as 12.50") from None
    if not amount.is_finite() or not 0 <= amount <= MOST:
        raise UsageError(f"{told!r} must be 0 or more, and no more than {MOST:,}")
    if amount != round(amount, PLACES):
        raise UsageError(f"{told!r} has more than {PLACES} decimal places")
    # What is typed as -0 is shown as 0.
    return abs(amount)


def money(amount: Decimal, currency: str) -> str:
    """Return an amount as people read it, without needless zeros but with at least two places."""
    plain = amount.normalize()
    exponent = plain.as_tuple().exponent
    places = max(2, -exponent if isinstance(exponent, int) else 2)
    return f"{amount:,.{places}f} {currency}"


def price_of(calls: int, settings: Settings) -> str:
    """Return what so many calls cost at most, in words; empty when nobody said what one costs."""
    if not settings.removal_price:
        return "free" if settings.is_free else ""
    cost = money(settings.removal_price * calls, settings.removal_currency)
    return f"free (would be {cost})" if settings.is_free else cost


def describe_spent(cost: Decimal, settings: Settings, *, calls: int = 0) -> str:
    """Return what was spent, in words.

    Args:
        cost: What calls cost; those to the sandbox cost nothing.
        settings: Whose price and currency are meant.
        calls: How many of them would have been billed, to say what free ones would have cost.
    """
    if cost or not settings.is_free:
        return money(cost, settings.removal_currency)
    return price_of(calls, settings) if calls else "free"


def describe_saved(amount: Decimal, settings: Settings) -> str:
    """Return what was saved, in words."""
    told = money(amount, settings.removal_currency)
    return f"nothing, as the sandbox is free (would be {told})" if settings.is_free and amount else told


def describe_calls(calls: int, settings: Settings) -> str:
    """Return how many calls are meant, whether they are paid, and what they cost at most, in words."""
    told = f"{counted(calls, 'call')} to the sandbox" if settings.is_free else counted(calls, "paid call")
    return f"{told}, {price_of(calls, settings) or 'price unknown (REMOVAL_PRICE is not set)'}"
