"""Batches that wait for a person: for more budget, or for a decision about their canary."""

from sqlalchemy import Connection

from core.errors import BudgetReached, CleanplateError, DatabaseDown
from core.money import money
from core.settings import Settings
from db import batches, budgets, canaries, failures
from db.batches import BatchRow
from db.budgets import tariff_of
from db.tallies import BatchCounts


class CanaryFailed(CleanplateError):
    """Too many of the photos that went first came out badly; the rest waits."""

    exit_code = 1


def why_stopped(
    connection: Connection, batch: BatchRow, counts: BatchCounts, settings: Settings
) -> BudgetReached | CanaryFailed | None:
    """Return what a paused batch with nothing running waits for; None when it goes on by itself or is paused by hand.

    Args:
        connection: An open transaction; only reads.
        batch: As it stands.
        counts: Of its photos.
        settings: Whose price and daily limit.
    """
    if batch.state != "paused" or counts.running:
        return None
    if batch.pause_reason == canaries.PAUSE_REASON:
        return _canary(connection, batch, counts)
    if batch.pause_reason != budgets.PAUSE_REASON:
        return None
    if not is_affordable(batch, settings):
        return _own_budget(batch, counts, settings)
    made, daily = budgets.used_today(connection, settings.account), settings.removal_daily_calls
    return None if daily is None or made < daily else _daily_limit(batch, counts, made, daily)


def go_on_if_affordable(connection: Connection, batch_id: int, settings: Settings) -> BatchRow:
    """Let batches go on that wait for budget and have some again, as the dispatcher does; return one of them.

    Raises:
        DatabaseDown: The batch is gone.
    """
    budgets.resume_affordable(connection, settings.account, tariff_of(settings))
    found = batches.get(connection, batch_id)
    if found is None:
        raise DatabaseDown(f"Batch {batch_id} is gone from the database; was it replaced meanwhile?")
    return found


def _canary(connection: Connection, batch: BatchRow, counts: BatchCounts) -> CanaryFailed:
    canary = canaries.count(connection, batch.id)
    why = ", ".join(
        f"{count} × {code} ({message[:120]})"
        for code, count, message in failures.count_dead_by_code(connection, batch.id, only_canary=True)
    )
    return CanaryFailed(
        f"Of the {canary.total} photos that went first, {canary.dead} are dead and {canary.held} held"
        f"{f': {why}' if why else ''}. The other {counts.unsettled} photos of batch {batch.id} wait and are not paid "
        f"for. Look at the report; then `cleanplate resume {batch.id}` lets it go on all the same, and "
        f"`cleanplate cancel {batch.id}` ends it."
    )


def _own_budget(batch: BatchRow, counts: BatchCounts, settings: Settings) -> BudgetReached:
    return BudgetReached(
        f"The budget of batch {batch.id} is reached: {describe_budget(batch, settings)}. {_kept(counts)}. Raise it "
        f"with `cleanplate budget {batch.id} --max-calls N` (or --max-cost AMOUNT) and run the same command again, or "
        "run it with a higher limit."
    )


def _daily_limit(batch: BatchRow, counts: BatchCounts, made: int, daily: int) -> BudgetReached:
    return BudgetReached(
        f"The account's limit of the day is reached: {made} of {daily} calls (REMOVAL_DAILY_CALLS). Batch {batch.id}: "
        f"{_kept(counts)}. It goes on after midnight UTC: by itself where a dispatcher and workers run, such as "
        "`cleanplate up`, else with the same command again."
    )


def _kept(counts: BatchCounts) -> str:
    return f"{counts.succeeded} clean photos are kept, {counts.unsettled} wait"


def is_affordable(batch: BatchRow, settings: Settings) -> bool:
    """Whether a batch's own limits allow one more call."""
    calls_left = batch.max_calls is None or batch.calls_made < batch.max_calls
    return calls_left and (batch.max_cost is None or batch.cost_reserved + settings.removal_price <= batch.max_cost)


def describe_budget(batch: BatchRow, settings: Settings) -> str:
    """Return a batch's limits and how far they are used up, in words."""
    if batch.max_calls is None and batch.max_cost is None:
        return "no limit"
    parts = []
    if batch.max_calls is not None:
        parts.append(f"{batch.calls_made} of {batch.max_calls} calls")
    if batch.max_cost is not None:
        currency = settings.removal_currency
        parts.append(f"{money(batch.cost_reserved, currency)} of {money(batch.max_cost, currency)}")
    return ", ".join(parts)
