"""How a dispatcher that has nothing to do learns of work at once, without asking for it all the time.

A trigger tells whenever a batch becomes active. Whoever misses that (a connection that broke) finds out by asking.
"""

from contextlib import suppress

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
    told = False
    with suppress(psycopg.OperationalError):
        for _ in raw.notifies(timeout=seconds, stop_after=1):
            told = True
    return told
