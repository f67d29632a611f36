"""A backlog costs the dispatcher nothing, whatever the planner believes of it."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, text

from core.decision import Decision, Move
from core.states import Lane
from db import batches, canaries, circuits, queue, rescues
from tests.db.rows import ACCOUNT, make_batch

PENDING = 5_000
ROOM = 50
MOST_ROWS_READ = 8 * ROOM
"""Of jobs, in one transaction: the picked ones, found, locked and marked, and what duties before them rolled back."""

DUTIES: dict[str, Callable[[Connection], object]] = {
    "fill bulk": lambda connection: queue.queue_due(connection, Lane.BULK, ROOM),
    "fill interactive": lambda connection: queue.queue_due(connection, Lane.INTERACTIVE, ROOM),
    "window": queue.count_live,
    "unclaimed": lambda connection: queue.list_unclaimed(connection, 0),
    "rescue": lambda connection: rescues.rescue(connection, lambda _: Decision(Move.RETRY)),
    "settled": batches.finish_settled,
    "canary": lambda connection: canaries.judge(connection, 0.2),
    "probe": lambda connection: circuits.queue_probe(connection, ACCOUNT),
}


@pytest.fixture
def backlog(engine: Engine) -> Engine:
    """A database with more waiting jobs than its planner will be told of."""
    make_batch(engine, PENDING)
    make_batch(engine, PENDING, lane=Lane.INTERACTIVE)
    with engine.begin() as connection:
        circuits.trip(connection, ACCOUNT, reason="account", code="x", message="x")
    return engine


def believe(engine: Engine, rows: int, states: list[str]) -> None:
    """Tell the planner how many jobs there are, and that they are in these states, in equal shares."""
    names = "{" + ",".join(states) + "}"
    shares = "{" + ",".join([str(1 / len(states))] * len(states)) + "}"
    with engine.begin() as connection:
        indexes = connection.execute(text("SELECT indexname FROM pg_indexes WHERE tablename = 'jobs'")).scalars()
        for relation in ["jobs", *indexes]:
            connection.execute(
                text(
                    "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', CAST(:name AS text), "
                    "'relpages', CAST(:pages AS integer), 'reltuples', CAST(:rows AS real))"
                ),
                {"name": relation, "pages": rows // 50 + 1, "rows": rows},
            )
        connection.execute(
            text(
                "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 'jobs', 'attname', 'state', "
                "'inherited', false, 'null_frac', CAST(0 AS real), 'n_distinct', CAST(:distinct AS real), "
                "'most_common_vals', CAST(:names AS text), 'most_common_freqs', CAST(:shares AS real[]))"
            ),
            {"distinct": len(states), "names": names, "shares": shares},
        )


@pytest.mark.parametrize(
    ("rows", "states"),
    [
        (0, ["succeeded"]),
        (3_000, ["succeeded"]),
        (10_000_000, ["pending"]),
        (10_000_000, ["queued", "running"]),
        (10_000_000, ["succeeded", "dead"]),
    ],
    ids=["empty", "all done", "ten million pending", "ten million live", "ten million done"],
)
def test_no_duty_reads_the_backlog(backlog: Engine, rows: int, states: list[str]) -> None:
    believe(backlog, rows, states)
    found = {}
    for name, duty in DUTIES.items():
        with backlog.connect() as connection:
            duty(connection)
            found[name] = connection.execute(
                text("SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'")
            ).one()
            connection.rollback()
    assert {name: read for name, read in found.items() if read.seq_scan or read.idx_tup_fetch > MOST_ROWS_READ} == {}


def test_the_pick_is_what_it_was(backlog: Engine) -> None:
    with backlog.begin() as connection:
        first = queue.queue_due(connection, Lane.BULK, ROOM)
        second = queue.queue_due(connection, Lane.BULK, ROOM)
    assert [job.id for job in first + second] == sorted(job.id for job in first + second)
    assert len({job.id for job in first + second}) == 2 * ROOM
    assert len({job.dispatch for job in first + second}) == 2 * ROOM
