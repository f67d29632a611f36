"""What somebody is asked before something is done that spends money or cannot be taken back.

Command line, REST and pages ask the same question in the same words, at the same price. Nothing is asked where nothing
is spent.
"""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection

from actions.requeue import describe
from core.figures import count, counted
from core.money import describe_calls, describe_spent, price_of
from core.settings import Settings
from core.states import NOTHING_TO_REMOVE, BatchState, JobState
from db import batches, canaries, listings, prospects, tallies
from db.batches import ENDED, BatchRow
from db.prospects import Prospect
from db.tallies import BatchCounts

REQUEUED = frozenset({JobState.DEAD, JobState.HELD, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Args:
        words: All of it.
        yes: What saying yes is called.
        photos: How many photos it is about.
        calls: How many calls it may make, if each photo takes one.
        cost: What those cost at most; 0 where they are free, or nobody said what a call costs.
    """

    words: str
    yes: str
    photos: int
    calls: int = 0
    cost: Decimal = Decimal(0)


def ask_cancel(connection: Connection, batch_id: int, settings: Settings) -> Question | None:
    """Return what is asked before a batch is cancelled; None when it has ended.

    Raises:
        NotFound: There is no such batch.
    """
    batch = batches.require(connection, batch_id)
    if batch.state in ENDED:
        return None
    tally = tallies.tally(connection, [batch_id])[batch_id]
    counts, waiting = tally.counts, _waiting(tally.counts)
    saves = f", which saves up to {price_of(waiting, settings)}" if _cost(waiting, settings) else ""
    words = [f"Cancel batch {batch_id}?", f"{counted(waiting, 'photo')} will not be called{saves}."]
    words += [f"{counted(counts.running, 'photo')} in progress will finish."] if counts.running else []
    words += [what_stays(counts) + "."] if what_stays(counts) else []
    words += [f"Cost so far: {describe_spent(tally.cost, settings)}."] if tally.cost else []
    return Question(" ".join(words), "Cancel the batch", waiting)


def what_stays(counts: BatchCounts) -> str:
    """Return what a cancel leaves as it is, in words; empty when there is nothing."""
    kept = [f"{count(counts.succeeded)} clean"] * bool(counts.succeeded)
    kept += [f"{count(counts.held)} held for review"] * bool(counts.held)
    return f"Kept: {' and '.join(kept)}" if kept else ""


def ask_resume(connection: Connection, batch_id: int, settings: Settings) -> Question | None:
    """Return what is asked before a batch goes on past a canary that failed; None when nothing is to be asked.

    Raises:
        NotFound: There is no such batch.
    """
    batch = batches.require(connection, batch_id)
    if batch.state != BatchState.PAUSED or not waits_for_canary(batch):
        return None
    canary = canaries.count(connection, batch_id)
    waiting = _waiting(tallies.counts(connection, batch_id))
    calls = min(waiting, _allowed(batch, settings, waiting))
    return Question(
        f"Resume batch {batch_id} although its canary failed? Of its {counted(canary.total, 'photo')}, "
        f"{count(canary.dead)} failed and {count(canary.held)} need review. The rest is up to "
        f"{describe_calls(calls, settings)}.",
        "Resume anyway",
        waiting,
        calls,
        _cost(calls, settings),
    )


def waits_for_canary(batch: BatchRow) -> bool:
    """Whether a batch's canary failed, and nobody has said yet that it goes on all the same."""
    return batch.canary_state == canaries.FAILED and batch.canary_overridden_by is None


def ask_requeue(
    connection: Connection,
    batch_id: int,
    settings: Settings,
    *,
    state: JobState = JobState.DEAD,
    code: str | None = None,
    message: str | None = None,
) -> Question | None:
    """Return what is asked before photos go round again, as `actions.requeue.requeue` has them; None for no call.

    Raises:
        NotFound: There is no such batch.
    """
    batch = batches.require(connection, batch_id)
    found = prospects.look_ahead(connection, batch_id, code, message=message, state=state)
    return _requeue(f"{describe(found.photos, state, code)} of batch {batch_id}", found, batch, settings)


def ask_requeue_all(connection: Connection, batch_id: int, job_ids: list[int], settings: Settings) -> Question | None:
    """Return what is asked before photos that were chosen go round again; None when that costs nothing.

    Raises:
        NotFound: There is no such batch.
    """
    batch = batches.require(connection, batch_id)
    ids = prospects.find_requeueable(connection, batch_id, job_ids)
    which = f"{counted(len(ids), 'photo')} of batch {batch_id}"
    return _requeue(which, prospects.look_at(connection, ids), batch, settings)


def ask_redo(photos: int, settings: Settings) -> Question:
    """Return what is asked before photos are done again, each by one call."""
    words = f"Redo {counted(photos, 'photo')}? Up to {describe_calls(photos, settings)}."
    return Question(words, "Redo", photos, photos, _cost(photos, settings))


def ask_requeue_one(connection: Connection, job_id: int, settings: Settings) -> Question | None:
    """Return what is asked before one photo goes round again; None when that costs nothing, or it cannot go."""
    job = listings.find_job(connection, job_id)
    if job is None or not (job.state in REQUEUED or job.code == NOTHING_TO_REMOVE):
        return None
    batch = batches.require(connection, job.batch_id)
    return _requeue(f"job {job_id} of batch {batch.id}", prospects.look_at(connection, [job_id]), batch, settings)


def _requeue(which: str, found: Prospect, batch: BatchRow, settings: Settings) -> Question | None:
    if not found.calls:
        return None
    words = [f"Retry {which}? Up to {describe_calls(found.calls, settings)}."]
    if found.uncalled:
        words.append(f"No call is made for {count(found.uncalled)} of them.")
    allowed = _allowed(batch, settings, found.calls)
    if allowed < found.calls:
        words.append(f"The batch's budget allows {count(allowed)} of these calls.")
    return Question(" ".join(words), "Retry", found.photos, found.calls, _cost(found.calls, settings))


def _allowed(batch: BatchRow, settings: Settings, calls: int) -> int:
    """Return how many of so many calls the batch's limits allow."""
    left = [calls]
    if batch.max_calls is not None:
        left.append(batch.max_calls - batch.calls_made)
    if batch.max_cost is not None and settings.removal_price:
        left.append(int((batch.max_cost - batch.cost_reserved) / settings.removal_price))
    return max(0, min(left))


def _cost(calls: int, settings: Settings) -> Decimal:
    return Decimal(0) if settings.is_free else settings.removal_price * calls


def _waiting(counts: BatchCounts) -> int:
    return counts.pending + counts.queued
