"""What every photo's way writes: claim, source, opened call, paid answer, output; each for many jobs at once.

What cannot be written together (a limit has to be reserved, somebody holds a row, a lease is lost, PostgreSQL went
away) is told, and whoever asked does it alone, with patience and words for what is wrong.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from core.errors import DatabaseDown
from core.states import Lane
from db import attempts, jobs, paid, success, twins
from db.jobs import ClaimedJob
from db.paid import Paid
from db.session import is_down
from db.success import Clean
from db.twins import KnownSource, Noted
from worker.connections import Connections
from worker.group_commit import GroupCommit, NotGrouped

OPEN_GATHER_SECONDS = 0.04
PAID_GATHER_SECONDS = 0.02
"""Short: a worker that is killed meanwhile leaves a call that may have been billed."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Opened:
    """An attempt's row.

    Args:
        attempt_id: Its number.
        asked_at: When (local monotonic seconds) it was asked whether the call may be made.
        is_free: Whether nothing was reserved for it.
    """

    attempt_id: int
    asked_at: float
    is_free: bool = False


class Writes:
    """The writes of one process.

    Args:
        connections: To PostgreSQL.
        worker: The name of this process.
        lease_seconds: How long a silent worker keeps a job.
        account: Whose calls are made.
        price: Of a call.
    """

    def __init__(
        self, connections: Connections, *, worker: str, lease_seconds: float, account: str, price: Decimal
    ) -> None:
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._account = account
        self._price = price
        work = connections.work.execution_options(isolation_level="AUTOCOMMIT")
        safe = connections.paid.execution_options(isolation_level="AUTOCOMMIT")
        self._claims = GroupCommit(work, self._claim_each, key=lambda asked: asked[0])
        self._notes = GroupCommit(work, _note_each, key=lambda noted: noted.content_key)
        self._opens = GroupCommit(work, self._open_each, gather_seconds=OPEN_GATHER_SECONDS)
        self._withdrawals = GroupCommit(work, _withdraw_each, gather_seconds=OPEN_GATHER_SECONDS)
        self._paid = GroupCommit(safe, self._note_paid_each, gather_seconds=PAID_GATHER_SECONDS)
        self._ends = GroupCommit(
            safe, _succeed_each, key=lambda clean: clean.sha256, weigh=lambda clean: len(clean.data)
        )

    def claim(self, job_id: int, token: UUID, *, is_urgent: bool = False) -> ClaimedJob | None:
        """Take a queued job; None when it has to be asked for alone."""
        return _ask(self._claims, (job_id, token), is_urgent=is_urgent)

    def note(self, noted: Noted) -> KnownSource | None:
        """Write down what a source is, and return what is known of it; None when it has to be written alone."""
        return _ask(self._notes, noted, is_urgent=_is_urgent(noted.job))

    def open(self, job: ClaimedJob) -> Opened | None:
        """Write the row that says "a call is about to be sent"; None when it has to be written alone, if at all.

        Raises:
            DatabaseDown: It is not known whether the row was written.
        """
        try:
            return self._opens.ask(job, is_urgent=_is_urgent(job))
        except NotGrouped as error:
            if not isinstance(error.cause, DBAPIError) or is_down(error.cause):
                raise DatabaseDown(f"It is not known whether a call was opened: {error}") from error
            return None

    def withdraw(self, job: ClaimedJob, opened: Opened) -> bool:
        """Forget an opened call that was never sent; False when it has to be forgotten alone."""
        return opened.is_free and _ask(self._withdrawals, (opened.attempt_id, job.batch_id)) is not None

    def note_paid(self, answer: Paid) -> bool:
        """Write down a paid answer; False when it has to be written alone."""
        return _ask(self._paid, answer, is_urgent=_is_urgent(answer.job)) is not None

    def succeed(self, clean: Clean) -> bool:
        """Keep an output in the database and end its job; False when it has to be ended alone."""
        return _ask(self._ends, clean, is_urgent=_is_urgent(clean.job)) is not None

    def _claim_each(self, connection: Connection, asked: Sequence[tuple[int, UUID]]) -> list[ClaimedJob | None]:
        found = jobs.claim_each(
            connection, dict(asked), worker=self._worker, lease_seconds=self._lease_seconds, waits=False
        )
        return [found.get(job_id) for job_id, _ in asked]

    def _open_each(self, connection: Connection, asked: Sequence[ClaimedJob]) -> list[Opened | None]:
        # Before it is asked: a process that is frozen in it must not take for new what it asked before.
        asked_at = time.monotonic()
        found = attempts.open_calls(connection, asked, worker=self._worker, account=self._account, price=self._price)
        return [Opened(found[job.id], asked_at, is_free=True) if job.id in found else None for job in asked]

    def _note_paid_each(self, connection: Connection, answers: Sequence[Paid]) -> list[bool | None]:
        noted = paid.note_each(connection, answers, self._account)
        return [True if one.job.id in noted else None for one in answers]


def _note_each(connection: Connection, noted: Sequence[Noted]) -> list[KnownSource | None]:
    found = twins.note_sources(connection, noted)
    return [found.get(one.job.id) for one in noted]


def _withdraw_each(connection: Connection, calls: Sequence[tuple[int, int]]) -> list[bool | None]:
    found = attempts.withdraw_each(connection, dict(calls))
    return [True if attempt_id in found else None for attempt_id, _ in calls]


def _succeed_each(connection: Connection, clean: Sequence[Clean]) -> list[bool | None]:
    success.succeed_each(connection, clean)
    return [True] * len(clean)


def _is_urgent(job: ClaimedJob) -> bool:
    """Whether somebody waits for a job."""
    return job.lane == Lane.INTERACTIVE


def _ask(group: GroupCommit[Item, Answer], item: Item, *, is_urgent: bool = False) -> Answer | None:
    try:
        return group.ask(item, is_urgent=is_urgent)
    except NotGrouped:
        return None
