"""Two connections that meet: knowing when one waits for the other."""

from concurrent.futures import Future, wait
from typing import Any

from sqlalchemy import Engine, text

_WAITING = text(
    "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) "
    "WHERE NOT l.granted AND a.datname = current_database()"
)


def wait_for_lock(engine: Engine, working: Future[Any]) -> bool:
    """Return once somebody in this database waits for another's lock (True), or the work has ended without (False)."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(_WAITING).scalar_one():
            if wait([working], timeout=0.02).done:
                return False
    return True
