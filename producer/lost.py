"""Messages that are lost: with Redis' memory, or with the worker that had taken them."""

import logging
import time

from sqlalchemy import Engine

from db import queue
from db.session import transact
from producer import metrics
from producer.publisher import Publisher

log = logging.getLogger(__name__)

UNCLAIMED_SECONDS = 5.0
TAKEN_SECONDS = 3.0
"""How long whoever has taken a message may take to say so, before it counts as lost with them."""


class LostMessages:
    """Looks for jobs that are queued in PostgreSQL and whose message is nowhere, again and again.

    A message is on its way from its queue to a worker while it is looked for, and sometimes back. So one is lost only
    when it is missing in two looks in a row; when the broker has it as taken, in all looks of some seconds.

    Args:
        engine: The database.
        publisher: The broker.
    """

    def __init__(self, engine: Engine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._missing_since: dict[tuple[int, int], float] = {}
        self._over: set[tuple[int, int]] = set()

    def forget(self) -> None:
        """Begin anew: what was missing long ago says nothing."""
        self._missing_since, self._over = {}, set()

    def take_back(self) -> None:
        """Look once, and make jobs due again whose messages are lost.

        Raises:
            DatabaseDown: PostgreSQL does not answer.
            RedisDown: The broker does not answer.
        """
        before, self._missing_since = self._missing_since, {}
        unclaimed = transact(self._engine, lambda connection: queue.list_unclaimed(connection, UNCLAIMED_SECONDS))
        if not unclaimed:
            return
        # In the order in which messages move, so that none goes unseen from one place to the next.
        waiting = self._publisher.list_waiting()
        held = self._publisher.list_held()
        missing = [each for each in unclaimed if each not in waiting and each[0] not in held]
        if not missing:
            return
        taken, now = self._publisher.list_taken(), time.monotonic()
        lost = [
            each for each in missing if each in before and (each not in taken or now - before[each] >= TAKEN_SECONDS)
        ]
        # What was claimed or paused meanwhile is not gone.
        back = transact(self._engine, lambda connection: queue.unqueue(connection, lost)) if lost else []
        self._missing_since = {each: before.get(each, now) for each in missing if each not in back}
        if back:
            metrics.LOST_MESSAGES.inc(len(back))
            with_worker = sum(each in taken for each in back)
            log.warning(
                "%s messages are gone from Redis and %s with the workers that had taken them; their jobs are due again",
                len(back) - with_worker,
                with_worker,
            )

    def clear_taken(self) -> None:
        """Take out of Redis what killed workers had taken, and others have dealt with since.

        The broker's client would give it to a worker again after an hour, which finds nothing to do. Whoever has just
        ended a job may not have said so yet, hence two looks.

        Raises:
            DatabaseDown: PostgreSQL does not answer.
            RedisDown: The broker does not answer.
        """
        before, self._over = self._over, set()
        taken = self._publisher.list_taken()
        if not taken:
            return
        ids = sorted({job_id for job_id, _ in taken})
        self._over = taken - transact(self._engine, lambda connection: queue.list_dispatched(connection, ids))
        gone = self._over & before
        if gone:
            self._publisher.forget_taken(gone)
            log.info("%s messages that killed workers had taken are dealt with, and taken out of Redis", len(gone))
