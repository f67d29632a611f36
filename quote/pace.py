"""How fast photos are called for, and how long that takes: one reckoning for quotes, buttons and running batches."""

import math

from sqlalchemy import Connection, Engine

from core.settings import Settings
from core.states import BatchState
from db import call_rates, circuits, processes
from db.session import transact
from removal.limiter.view import present_rate

NEEDED = frozenset({"worker", "dispatcher"})
"""Roles without which nothing moves."""


def pace(connection: Connection | None, settings: Settings) -> float:
    """Return the calls per second to reckon with: those of lately where calls went on for a while, else the quota.

    Args:
        connection: An open transaction; None where there is no database yet.
        settings: Whose quota.
    """
    lately = call_rates.answered_lately(connection) if connection is not None else 0.0
    return lately or present_rate(settings.redis_url, settings.account, settings.removal_rate)


def present_pace(engine: Engine | None, settings: Settings) -> float:
    """Return the same in a transaction of its own."""
    if engine is None:
        return pace(None, settings)
    return transact(engine, lambda connection: pace(connection, settings))


def moves(connection: Connection, settings: Settings) -> bool:
    """Whether photos are called for at present: the account may be called, and somebody is there to do so."""
    alive = {process.role for process in processes.list_recent(connection) if process.is_alive}
    return alive >= NEEDED and circuits.find_open(connection, settings.account) is None


def seconds_for(calls: int, rate: float) -> int:
    """Return how long so many calls take, rounded up, in seconds."""
    return math.ceil(round(calls / rate, 6))


def seconds_left(state: str, unsettled: int, rate: float | None) -> int | None:
    """Return how long what waits in a batch takes; None when nothing moves.

    Args:
        state: Of the batch.
        unsettled: Photos that still have something to run.
        rate: Calls per second; None when nobody calls.
    """
    return seconds_for(unsettled, rate) if rate and unsettled and state == BatchState.ACTIVE else None


def about(seconds: float) -> str:
    """Return a time that is reckoned as people say it, rounded up."""
    whole = math.ceil(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{math.ceil(hours * 10 / 24 + rest / 144) / 10:g} days"
