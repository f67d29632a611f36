"""How a dispatcher that has nothing to do learns of work at once, without asking for it all the time.

A trigger tells whenever a batch becomes active. Whoever misses that (a connection that broke) finds out by asking.
"""

from contextlib import suppress
from select import POLLIN
from select import poll as make_poll

import psycopg
from sqlalchemy import Connection

CHANNEL = "cleanplate_work"


def listen(connection: Connection) -> None:
    """Be told from now on."""
    connection.exec_driver_sql(f"LISTEN {CHANNEL}")


def wait_for_work(connection: Connection, seconds: float) -> bool:
    """Wait until a batch becomes active, so long at most, and return whether one did.

    Args:
        connection: One that listens, in autocommit.
        seconds: Whoever cannot be told returns at once, as the next statement says why.
    """
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, psycopg.Connection)
    with suppress(psycopg.OperationalError):
        # What came with an answer before waits in the connection, not in its socket. The driver's own wait would look
        # ten times a second whether there is something.
        if _is_told(raw):
            return True
        waiting = make_poll()
        waiting.register(raw.fileno(), POLLIN)
        return bool(waiting.poll(seconds * 1000)) and _is_told(raw)
    return False


def _is_told(raw: psycopg.Connection[object]) -> bool:
    return any(True for _ in raw.notifies(timeout=0, stop_after=1))
