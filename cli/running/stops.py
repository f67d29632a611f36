"""Batches that wait for a person: for more budget, or for a decision about their canary."""

from sqlalchemy import Connection

from actions.budgets import why_used_up
from core.errors import BudgetReached, CleanplateError, DatabaseDown
from core.figures import count, counted
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
    return why_used_up(connection, batch, counts, settings)


def go_on_if_affordable(connection: Connection, batch_id: int, settings: Settings) -> BatchRow:
    """Let batches go on that wait for budget and have some again, as the dispatcher does; return one of them.

    Raises:
        DatabaseDown: The batch is gone.
    """
    budgets.resume_affordable(connection, settings.account, tariff_of(settings))
    found = batches.get(connection, batch_id)
    if found is None:
        raise DatabaseDown(f"Batch {batch_id} is gone from the database. Was the database replaced?")
    return found


def _canary(connection: Connection, batch: BatchRow, counts: BatchCounts) -> CanaryFailed:
    canary = canaries.count(connection, batch.id)
    why = ", ".join(
        f"{count(photos)} × {code} ({message[:120]})"
        for code, photos, message in failures.count_dead_by_code(connection, batch.id, only_canary=True)
    )
    return CanaryFailed(
        f"The canary failed: of its {counted(canary.total, 'photo')}, {count(canary.dead)} failed and "
        f"{count(canary.held)} need review{f': {why}' if why else ''}. The other "
        f"{counted(counts.unsettled, 'photo')} of batch {batch.id} wait and are not paid for. Look at "
        f"the report; then `cleanplate resume {batch.id}` resumes it anyway, and "
        f"`cleanplate cancel {batch.id}` ends it."
    )
