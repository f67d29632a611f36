"""Steering batches: pause, resume, cancel."""

from dataclasses import dataclass

from sqlalchemy import Connection

from actions.budgets import why_used_up
from core.settings import Settings
from db import audit, batches, budgets, cancels, circuits, tallies

PAUSED_BY_HAND = "hand"


@dataclass(frozen=True, slots=True)
class Steered:
    """What came of steering a batch.

    Args:
        state: Where it stood before.
        is_changed: Whether that changed anything.
        photos: Of a cancel: how many are not called any more.
    """

    state: str
    is_changed: bool
    photos: int = 0


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

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Which.
        settings: Whose account, price and daily limit.

    Raises:
        NotFound: There is no such batch.
        BudgetReached: It waits for budget, and there is none.
    """
    found = batches.require(connection, batch_id)
    if found.pause_reason == budgets.PAUSE_REASON:
        used_up = why_used_up(connection, found, tallies.counts(connection, batch_id), settings)
        if used_up is not None:
            raise used_up
    is_changed = batches.resume(connection, batch_id)
    if is_changed:
        audit.note(connection, actor, "resume", f"batch {batch_id}")
        circuits.probe_now(connection, settings.account)
    return Steered(found.state, is_changed)


def cancel(connection: Connection, actor: str, batch_id: int) -> Steered:
    """End a batch: photos that are done stay, the rest is never called.

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
    audit.note(connection, actor, "cancel", f"batch {batch_id}", f"{photos} photos")
    return Steered(state, is_changed=True, photos=photos)
