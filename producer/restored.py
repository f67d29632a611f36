"""Noticing that the database went back to a backup, by what Redis remembers of calls."""

from functools import partial

import structlog
from sqlalchemy import Engine

from core.errors import RedisDown
from core.settings import Settings
from db import restores
from db.restores import Restore
from db.session import transact
from removal.limiter import LimiterUnavailable
from removal.limiter.memos import CallMemory

log = structlog.stdlib.get_logger(__name__)


def notice_restore(engine: Engine, memory: CallMemory, settings: Settings) -> Restore | None:
    """Hold photos that were called for after the backup that the database went back to; None when it did not.

    Args:
        engine: The database.
        memory: What Redis remembers.
        settings: Whose price.

    Raises:
        RedisDown: Redis does not say.
        DatabaseDown: PostgreSQL does not answer.
    """
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
