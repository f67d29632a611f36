"""What many threads want to write at about the same time is written by one of them, in one transaction for all.

While one transaction is on its way, those that arrive meanwhile are the next group. Where writes come close upon each
other, one waits a moment for the next; a single job waits for nobody, and neither does a group that somebody waits for
or that is full. Each thread goes on when its part is committed.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_AT_ONCE = 64
GATHER_SECONDS = 0.03
"""How long others are waited for where the last group was written less than `CLOSE_SECONDS` ago, where nothing is lost
by it: a statement costs a worker as much for one photo as for several."""
CLOSE_SECONDS = 0.1
MOST_BYTES = 8_000_000
"""Of one group: what is bound to one statement is in memory several times."""


class NotGrouped(Exception):
    """A group was not written, for one of its members' sake, or it is not known whether it was; ask alone.

    Args:
        cause: What PostgreSQL, or the way to it, said; or what went wrong here.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Place(Generic[Item, Answer]):
    """One thread's part of a group."""

    __slots__ = ("answer", "failed", "is_done", "is_urgent", "item", "key", "turn", "weight")

    def __init__(self, item: Item, key: Hashable, weight: int, *, is_urgent: bool) -> None:
        self.item = item
        self.is_urgent = is_urgent
        self.key = key
        self.weight = weight
        self.answer: Answer | None = None
        self.is_done = False
        self.failed: BaseException | None = None
        # Cheaper than an event: taken here, let go when it is this thread's turn or its part is done.
        self.turn = threading.Lock()
        self.turn.acquire()


class GroupCommit(Generic[Item, Answer]):
    """Writes one kind of thing.

    Args:
        engine: In autocommit: a group is one statement.
        work: Writes some and answers each, in their order; None for one that has to be asked about alone.
        key: Of which no two may be in one group; None when any may.
        weigh: How many bytes one binds.
        gather_seconds: How long one waits for others where writes come close upon each other.
    """

    def __init__(
        self,
        engine: Engine,
        work: Callable[[Connection, Sequence[Item]], Sequence[Answer | None]],
        *,
        key: Callable[[Item], Hashable] | None = None,
        weigh: Callable[[Item], int] = lambda _: 0,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._engine = engine
        self._work = work
        self._key = key
        self._weigh = weigh
        self._gather_seconds = gather_seconds
        self._written_at = -CLOSE_SECONDS
        self._lock = threading.Lock()
        self._waiting: list[_Place[Item, Answer]] = []
        self._is_led = False
        # Ends the wait for others.
        self._is_due = threading.Event()

    def ask(self, item: Item, *, is_urgent: bool = False) -> Answer | None:
        """Write one with those that others want to write now, and return the answer; None when it is to be asked alone.

        Args:
            item: What to write.
            is_urgent: Whether its group waits for no others.

        Raises:
            NotGrouped: The group failed, for whosever sake.
        """
        key, weight = self._key(item) if self._key else None, self._weigh(item)
        mine: _Place[Item, Answer] = _Place(item, key, weight, is_urgent=is_urgent)
        with self._lock:
            self._waiting.append(mine)
            self._tell_whether_due()
            leads = not self._is_led
            self._is_led = True
        if not leads:
            mine.turn.acquire()
        if not mine.is_done:
            self._lead()
        if mine.failed is not None:
            raise NotGrouped(mine.failed) from mine.failed
        return mine.answer

    def _lead(self) -> None:
        """Write the group that this thread is the first of, and hand the lead on, whatever happens."""
        group: list[_Place[Item, Answer]] = []
        failed: BaseException | None = None
        try:
            if time.monotonic() - self._written_at < CLOSE_SECONDS:
                self._is_due.wait(self._gather_seconds)
            with self._lock:
                group = self._take_group()
                self._tell_whether_due()
            with self._engine.connect() as connection:
                answers = self._work(connection, [place.item for place in group])
            for place, answer in zip(group, answers, strict=True):
                place.answer = answer
        except (DBAPIError, PoolTimeout) as error:
            failed = error
        except BaseException as error:
            failed = error
            raise
        finally:
            self._hand_on(group, failed)

    def _hand_on(self, group: list[_Place[Item, Answer]], failed: BaseException | None) -> None:
        self._written_at = time.monotonic()
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._is_led = following is not None
        for place in group:
            place.failed, place.is_done = failed, True
        if following is not None:
            following.turn.release()
        for place in group[1:]:
            place.turn.release()

    def _tell_whether_due(self) -> None:
        """Let the next group wait for no others once somebody waits for it, or it is full; needs the lock."""
        if len(self._waiting) >= MOST_AT_ONCE or any(place.is_urgent for place in self._waiting):
            self._is_due.set()
        else:
            self._is_due.clear()

    def _take_group(self) -> list[_Place[Item, Answer]]:
        """Take as many as go together, the first in any case; those left keep their order."""
        group: list[_Place[Item, Answer]] = []
        left: list[_Place[Item, Answer]] = []
        keys: set[Hashable] = set()
        weight = 0
        for place in self._waiting:
            weight += place.weight
            fits = not group or (len(group) < MOST_AT_ONCE and weight <= MOST_BYTES)
            if fits and not (self._key and place.key in keys):
                group.append(place)
                keys.add(place.key)
            else:
                left.append(place)
        self._waiting = left
        return group
