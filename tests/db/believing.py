"""What the planner believes of our tables: nothing that it should, if a test says so."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

STATES = ["pending", "queued", "running", "succeeded", "dead", "held", "cancelled"]


@dataclass(frozen=True, slots=True)
class Belief:
    """How many rows the planner believes that each table has, and in which states jobs are, in equal shares."""

    rows: int
    states: tuple[str, ...]


UNKNOWN = Belief(-1, ())
"""Nothing at all, as of a table that was never looked at."""

BELIEFS = {
    "unknown": UNKNOWN,
    "empty": Belief(0, ("succeeded",)),
    "a few, all done": Belief(3_000, ("succeeded",)),
    "ten million pending": Belief(10_000_000, ("pending",)),
    "ten million queued": Belief(10_000_000, ("queued",)),
    "ten million live": Belief(10_000_000, ("queued", "running")),
    "ten million done": Belief(10_000_000, ("succeeded", "dead")),
    "ten million held": Belief(10_000_000, ("held",)),
}

TABLES = (
    "jobs",
    "queued_jobs",
    "job_notes",
    "attempts",
    "batches",
    "batch_counts",
    "batch_count_changes",
    "ledger_days",
    "ledger_changes",
    "callbacks",
    "deliveries",
    "artifacts",
)


def believe(engine: Engine, belief: Belief) -> None:
    """Tell the planner what to believe of our tables and their indexes; what it knew of their columns it forgets."""
    with engine.begin() as connection:
        for table in TABLES:
            for name in _columns(connection, table):
                connection.execute(
                    text("SELECT pg_clear_attribute_stats('public', :table, :name, false)"),
                    {"table": table, "name": name},
                )
            for name in [table, *_indexes(connection, table)]:
                if belief is UNKNOWN:
                    connection.execute(text("SELECT pg_clear_relation_stats('public', :name)"), {"name": name})
                    continue
                connection.execute(_RELATION, {"name": name, "pages": belief.rows // 50 + 1, "rows": belief.rows})
        if belief is UNKNOWN:
            return
        names = "{" + ",".join(belief.states) + "}"
        shares = [1 / len(belief.states)] * len(belief.states)
        connection.execute(_STATES, {"distinct": len(belief.states), "names": names, "shares": shares})


def _columns(connection: Connection, table: str) -> list[str]:
    statement = text(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped"
    )
    return list(connection.execute(statement, {"table": table}).scalars())


def _indexes(connection: Connection, table: str) -> list[str]:
    statement = text("SELECT indexname FROM pg_indexes WHERE tablename = :table")
    return list(connection.execute(statement, {"table": table}).scalars())


_RELATION = text(
    "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', CAST(:name AS text), "
    "'relpages', CAST(:pages AS integer), 'reltuples', CAST(:rows AS real), 'relallvisible', 0)"
)
_STATES = text(
    "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 'jobs', 'attname', 'state', "
    "'inherited', false, 'null_frac', CAST(0 AS real), 'n_distinct', CAST(:distinct AS real), "
    "'most_common_vals', CAST(:names AS text), 'most_common_freqs', CAST(:shares AS real[]))"
)
