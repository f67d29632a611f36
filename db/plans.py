"""How PostgreSQL is to find rows, where its statistics cannot be trusted."""

from sqlalchemy import Connection, text


def by_key(connection: Connection) -> None:
    """Let what follows in this transaction reach its rows by an index in its order, whatever the planner believes.

    After a large intake the statistics say for minutes that next to nothing is pending. A plan that is good then reads
    or sorts every pending job for each pick; one that walks the index in its order reads as many as it picks, always.
    """
    connection.execute(
        text(
            "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
            "set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true), "
            "set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
        )
    )
