"""Whether a pooler stands between us and PostgreSQL, and whether it leaves each connection a session of its own."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import psycopg

from core.errors import UsageError

Dbapi = psycopg.Connection[Any]
ROUNDS = 5
WAIT_SECONDS = 10.0
"""For whoever connects first; it needs a few round trips."""
REFUSAL = (
    "DATABASE_URL leads to a pooler (such as PgBouncer) that gives each transaction any session. The lock of who "
    "leads, timeouts and prepared statements need sessions of their own. Nothing was done: set pool_mode = session "
    "for this database and user, or let DATABASE_URL name PostgreSQL itself."
)


class SessionCheck:
    """Settles the connections of one engine, and remembers who answers them.

    A pool that holds as many connections as are wanted has one to spare only for whoever comes first: so that is asked
    once, before any others say a word.
    """

    def __init__(self) -> None:
        self._first = Lock()
        self._has_answered = False
        self._keeps_sessions = False

    def settle(self, connection: Dbapi, settings: Mapping[str, str], open_another: Callable[[], Dbapi]) -> None:
        """Set what shall hold for all of a new connection's session, in one round trip where PostgreSQL itself answers.

        Not as it connects (`options`): PgBouncer refuses those, or forgets them when it is told to ignore them. And not
        before it is known that the session is ours: what is set in one that others get next holds for them.

        Args:
            connection: Nothing was said over it yet.
            settings: PostgreSQL's, by name.
            open_another: Opens one more in the same way.

        Raises:
            UsageError: A pooler gives each transaction another session.
            psycopg.Error: The connection is lost, or a setting is refused.
        """
        # Each statement by itself: what is set in a transaction goes with it when that is rolled back.
        connection.autocommit = True
        # Who waits in vain for the first goes on by itself, so that many are told of an outage no later than one.
        waited = not self._has_answered and self._first.acquire(timeout=WAIT_SECONDS)
        try:
            self._settle(connection, settings, open_another)
            self._has_answered = True
        finally:
            if waited:
                self._first.release()
        connection.autocommit = False

    def _settle(self, connection: Dbapi, settings: Mapping[str, str], open_another: Callable[[], Dbapi]) -> None:
        # A pooler names itself as whom to cancel, and not the process of PostgreSQL that answers.
        if _set(connection, settings, connection.info.backend_pid):
            return
        if not self._keeps_sessions:
            _refuse_shared_sessions(connection, open_another)
        # Between two statements, sessions that go round may have done so.
        if not _set(connection, settings, _pid_of(connection)):
            raise UsageError(REFUSAL)
        self._keeps_sessions = True


def _set(connection: Dbapi, settings: Mapping[str, str], pid: int) -> bool:
    """Set all of these if it is this process of PostgreSQL that answers, and return whether it is."""
    statement = (
        "SELECT CASE WHEN pg_backend_pid() = %s THEN (SELECT count(set_config(name, value, false)) "
        "FROM unnest(%s::text[], %s::text[]) AS given (name, value)) END"
    )
    found = connection.execute(statement, [pid, list(settings), list(settings.values())]).fetchone()
    return found is not None and found[0] is not None


def _refuse_shared_sessions(first: Dbapi, open_another: Callable[[], Dbapi]) -> None:
    second = open_another()
    try:
        second.autocommit = True
        mine, others = set(), set()
        # Ever more of the others between two of mine: one that hands out its sessions in turn gives both one at last.
        for number in range(ROUNDS):
            mine.add(_pid_of(first))
            others |= {_pid_of(second) for _ in range(number + 1)}
    finally:
        second.close()
    if len(mine) == len(others) == 1 and mine != others:
        return
    raise UsageError(REFUSAL)


def _pid_of(connection: Dbapi) -> int:
    found = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    assert found is not None
    return int(found[0])
