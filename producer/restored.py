"""Noticing that the database went back to a backup, by what Redis remembers of calls."""

import time
from functools import partial

import structlog
from sqlalchemy import Engine

from core.errors import RedisDown
from core.settings import Settings
from db import restores
from db.restores import Restore
from db.session import transact
from removal.limiter import LimiterUnavailable, memos
from removal.limiter.memos import CallMemory

log = structlog.stdlib.get_logger(__name__)

CLOCKS_SECONDS = 1.0
"""How far the clocks of PostgreSQL and Redis may be apart."""


def notice_restore(engine: Engine, memory: CallMemory, settings: Settings) -> Restore | None:
    """Hold photos that were called for after the backup that the database went back to; None when it did not.

    Of the last calls before that Redis says nothing for some seconds. Where it was noticed just now, here or by another
    process, they are waited for: nothing may be taken up before.

    Args:
        engine: The database.
        memory: What Redis remembers.
        settings: Whose price.

    Raises:
        RedisDown: Redis does not say.
        DatabaseDown: PostgreSQL does not answer.
    """
    found: Restore | None = None
    while True:
        found = _look(engine, memory, settings) or found
        since, settled = transact(engine, restores.seconds_since_noticed), memos.SETTLED_SECONDS + CLOCKS_SECONDS
        # A clock that was set back since is waited for by nobody.
        if since is None or not 0 <= since < settled:
            return found
        time.sleep(settled - since)


def _look(engine: Engine, memory: CallMemory, settings: Settings) -> Restore | None:
    try:
        home = transact(engine, restores.home)
        if memory.newest_attempt(home) <= transact(engine, restores.newest_known):
            return None
        called = memory.list_called(home)
    except LimiterUnavailable as error:
        raise RedisDown(str(error)) from error
    found = transact(engine, partial(restores.note, called=called, price=settings.removal_price))
    if found is not None:
        log.error(
            "the database was restored from a backup",
            calls=found.calls,
            since=found.since.isoformat(),
            held=found.held,
            unknown=found.unknown,
        )
    return found
