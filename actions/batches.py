"""Steering batches: pause, resume, cancel."""

from dataclasses import dataclass

from sqlalchemy import Connection

from actions.budgets import is_affordable, why_used_up
from actions.questions import waits_for_canary, what_stays
from core.figures import counted
from core.settings import Settings
from core.states import BatchState
from db import audit, batches, budgets, cancels, circuits, tallies

PAUSED_BY_HAND = "hand"
PAST_CANARY = "although its canary failed"


@dataclass(frozen=True, slots=True)
class Steered:
    """What came of steering a batch.

    Args:
        state: Where it stood before.
        is_changed: Whether that changed anything.
        photos: Of a cancel: how many are not called any more.
        words: What else people should know; of a cancel, what it left as it was.
    """

    state: str
    is_changed: bool
    photos: int = 0
    words: str = ""


def pause(connection: Connection, actor: str, batch_id: int) -> Steered:
    """Make no further call for a batch; those on their way finish.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Which.

    Raises:
        NotFound: There is no such batch.
    """
    state = batches.require(connection, batch_id).state
    is_changed = batches.pause(connection, batch_id, PAUSED_BY_HAND)
    if is_changed:
        audit.note(connection, actor, "pause", f"batch {batch_id}")
    return Steered(state, is_changed)


def resume(connection: Connection, actor: str, batch_id: int, settings: Settings) -> Steered:
    """Let a paused batch go on, also past a canary that came out badly; a refused account is asked again at once.

    Where a batch waits for something else, and its budget is used up as well, it stays as it is: it would only be
    paused again. A used-up limit of the day lets it go on by itself after midnight, which is said.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Which.
        settings: Whose account, price and daily limit.

    Raises:
        NotFound: There is no such batch.
        BudgetReached: Its budget is used up.
    """
    found = batches.require(connection, batch_id)
    counts = tallies.counts(connection, batch_id)
    words = ""
    if found.state == BatchState.PAUSED and (counts.unsettled or found.pause_reason == budgets.PAUSE_REASON):
        used_up = why_used_up(connection, found, counts, settings)
        if used_up is not None and (found.pause_reason == budgets.PAUSE_REASON or not is_affordable(found, settings)):
            raise used_up
        words = str(used_up or "")
    is_changed = batches.resume(connection, batch_id, actor)
    if is_changed:
        past = PAST_CANARY if waits_for_canary(found) else ""
        audit.note(connection, actor, "resume", f"batch {batch_id}", past)
        circuits.probe_now(connection, settings.account)
    return Steered(found.state, is_changed, words=words)


def cancel(connection: Connection, actor: str, batch_id: int) -> Steered:
    """End a batch: photos that are done, or held for review, stay; the rest is never called.

    Of many rows only the first are written here; `db.cancels.cancel_stragglers` goes on.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Which.

    Raises:
        NotFound: There is no such batch.
    """
    state = batches.require(connection, batch_id).state
    photos = cancels.cancel(connection, batch_id)
    if photos is None:
        return Steered(state, is_changed=False)
    audit.note(connection, actor, "cancel", f"batch {batch_id}", counted(photos, "photo"))
    words = what_stays(tallies.counts(connection, batch_id))
    return Steered(state, is_changed=True, photos=photos, words=words)
