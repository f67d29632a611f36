"""What a batch may spend: setting it, and saying that it is used up."""

from decimal import Decimal

from sqlalchemy import Connection

from core.errors import BudgetReached, Refused
from core.figures import count, counted
from core.money import money
from core.settings import Settings
from db import audit, batches, budgets
from db.batches import BatchRow
from db.budgets import tariff_of
from db.tallies import BatchCounts

_GOES_ON = (
    "by itself where a dispatcher and workers run, such as under `cleanplate up`; otherwise, run the same command again"
)


def set_limits(
    connection: Connection,
    actor: str,
    batch_id: int,
    settings: Settings,
    *,
    max_calls: int | None = None,
    max_cost: Decimal | None = None,
) -> BatchRow:
    """Set a batch's limits; one that waits for budget goes on when there is some. Return it as it is then.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Which.
        settings: Whose account, price, currency and daily limit.
        max_calls: Most calls that are sent; None leaves it as it is.
        max_cost: Most that paid and maybe billed calls cost together; None leaves it as it is.

    Raises:
        NotFound: There is no such batch.
        Refused: A cost is limited that nobody can know.
    """
    before = batches.require(connection, batch_id)
    if max_cost is not None and not settings.removal_price:
        raise Refused("A cost limit needs REMOVAL_PRICE, the price of one call. You can limit the calls instead.")
    told = [
        *([counted(max_calls, "call")] if max_calls not in {None, before.max_calls} else []),
        *([money(max_cost, settings.removal_currency)] if max_cost is not None and max_cost != before.max_cost else []),
    ]
    if told:
        budgets.set_limits(connection, batch_id, max_calls=max_calls, max_cost=max_cost)
        audit.note(connection, actor, "budget", f"batch {batch_id}", ", ".join(told))
        budgets.resume_affordable(connection, settings.account, tariff_of(settings))
    return batches.require(connection, batch_id)


def why_used_up(
    connection: Connection, batch: BatchRow, counts: BatchCounts, settings: Settings
) -> BudgetReached | None:
    """Return which budget is used up, or None when there is enough for a call.

    Args:
        connection: An open transaction; only reads.
        batch: As it stands.
        counts: Of its photos.
        settings: Whose account, price, currency and daily limit.
    """
    kept = f"{counted(counts.succeeded, 'clean photo is', 'clean photos are')} kept, {count(counts.unsettled)} wait"
    if not is_affordable(batch, settings):
        then = "and it continues" if batch.pause_reason == budgets.PAUSE_REASON else "and resume it; it then continues"
        return BudgetReached(
            f"The budget of batch {batch.id} is reached: {describe_budget(batch, settings)}. {kept}. Raise it with "
            f"`cleanplate budget {batch.id} --max-calls N` (or --max-cost AMOUNT) or on the batch's page, {then}: "
            f"{_GOES_ON}."
        )
    made, daily = budgets.used_today(connection, settings.account), settings.removal_daily_calls
    if daily is None or made < daily:
        return None
    return BudgetReached(
        f"The account's daily limit is reached: {count(made)} of {counted(daily, 'call')} (REMOVAL_DAILY_CALLS). "
        f"Batch {batch.id}: {kept}. It continues after midnight UTC: {_GOES_ON}."
    )


def describe_budget(batch: BatchRow, settings: Settings) -> str:
    """Return a batch's limits and how far they are used up, in words."""
    if batch.max_calls is None and batch.max_cost is None:
        return "no limit"
    parts = []
    if batch.max_calls is not None:
        parts.append(f"{count(batch.calls_made)} of {counted(batch.max_calls, 'call')}")
    if batch.max_cost is not None:
        currency = settings.removal_currency
        parts.append(f"{money(batch.cost_reserved, currency)} of {money(batch.max_cost, currency)}")
    return ", ".join(parts)


def is_affordable(batch: BatchRow, settings: Settings) -> bool:
    """Whether a batch's limits leave room for a call."""
    calls_left = batch.max_calls is None or batch.calls_made < batch.max_calls
    return calls_left and (batch.max_cost is None or batch.cost_reserved + settings.removal_price <= batch.max_cost)
