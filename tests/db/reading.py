"""How many rows of a table were read: what a slow query costs, on any machine."""

import threading
import time

from sqlalchemy import Engine, text


def rows_read(engine: Engine, table: str) -> int:
    """Return how many rows all connections to this database have read of a table so far.

    Closes the engine's connections: a server process tells what it read when it ends, if not before.
    """
    engine.dispose()
    deadline = time.monotonic() + 60
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    with engine.connect() as connection:
        while connection.execute(others).scalar_one():
            assert time.monotonic() < deadline, "somebody else is connected"
            connection.rollback()
            threading.Event().wait(0.01)
        told = text("SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = :table")
        return int(connection.execute(told, {"table": table}).scalar_one())
