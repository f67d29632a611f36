"""Whatever the queries are told to do, in any order, rows move only as the tables of moves allow."""

import ast
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

import db
from core.states import BATCH_MOVES, MOVES
from db.session import make_engine
from tests.db.machine import NUMBERS, STEPS, Rows
from tests.db.rows import keep_output

Move = tuple[str, str | None, str]
"""A table, the state before (None for a new row) and after."""

ALLOWED: set[Move] = {("jobs", None, "pending"), ("batches", None, "active")}
ALLOWED |= {("jobs", before.value, after.value) for before, afters in MOVES.items() for after in afters}
ALLOWED |= {("batches", before.value, after.value) for before, afters in BATCH_MOVES.items() for after in afters}

# Triggers of the test's own, so that what other triggers do is seen as well.
NOTE_MOVES = (
    "CREATE TABLE moves (what text, before text, after text)",
    # A job that leaves the queue is in it until the statement ends.
    "CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO moves VALUES (TG_TABLE_NAME, CASE WHEN TG_OP = 'INSERT' THEN NULL "
    "WHEN TG_TABLE_NAME = 'jobs' AND EXISTS (SELECT 1 FROM queued_jobs WHERE job_id = OLD.id) THEN 'queued' "
    "ELSE OLD.state END, NEW.state); RETURN NULL; END $$",
    "CREATE FUNCTION note_queue() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'INSERT' THEN INSERT INTO moves SELECT 'jobs', state, 'queued' FROM jobs WHERE id = NEW.job_id; "
    "ELSE INSERT INTO moves SELECT 'jobs', 'queued', state FROM jobs WHERE id = OLD.job_id AND state = 'pending'; "
    "END IF; RETURN NULL; END $$",
    "CREATE TRIGGER note_queue AFTER INSERT OR DELETE ON queued_jobs FOR EACH ROW EXECUTE FUNCTION note_queue()",
    *(
        f"CREATE TRIGGER note_{event} AFTER {event} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION note_move()"
        for table in ("jobs", "batches")
        for event, when in (("INSERT", ""), ("UPDATE", "WHEN (OLD.state <> NEW.state)"))
    ),
)
TAKE_MOVES = text("DELETE FROM moves RETURNING what, before, after")
EMPTY = text(
    "TRUNCATE batches, catalogues, jobs, queued_jobs, job_notes, attempts, circuits, daily_calls, moves, batch_counts, "
    "batch_count_changes, ledger_days, ledger_changes"
)
WRITES_A_STATE = re.compile(
    r"INSERT INTO (jobs|batches) \(|UPDATE (jobs|batches)( AS \w+)?\s+SET(?:(?!\bWHERE\b).)*?\bstate =", re.DOTALL
)


def find_writers() -> set[str]:
    """Return every function of the queries that writes a job's or a batch's state, as `module.function`."""
    found = set()
    for path in Path(db.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                words = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                if WRITES_A_STATE.search("".join(word for word in words if isinstance(word, str))):
                    found.add(f"{path.stem}.{node.name}")
    return found


def note_calls(patch: pytest.MonkeyPatch, writers: set[str]) -> set[str]:
    """Return a set that gets the name of each of these functions when it is called."""
    called: set[str] = set()

    def noting(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            called.add(name)
            return function(*args, **named)

        return call

    for name in writers:
        module, _, function = name.partition(".")
        home = import_module(f"db.{module}")
        patch.setattr(home, function, noting(name, getattr(home, function)))
    return called


@pytest.mark.locks_anyhow
def test_no_function_makes_a_move_that_is_not_in_the_table(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(database_url, pool_size=1)
    with engine.begin() as connection:
        keep_output(connection)
        for statement in NOTE_MOVES:
            connection.execute(text(statement))
    writers = find_writers()
    assert len(writers) >= 19
    called = note_calls(monkeypatch, writers)
    seen: set[Move] = set()

    # Not made smaller when one fails, which takes minutes: the step and its move say it all.
    @settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(NUMBERS)), min_size=40, max_size=80))
    def drive(steps: list[tuple[str, int]]) -> None:
        rows = Rows()
        with engine.begin() as connection:
            connection.execute(EMPTY)
        for name, number in [("hand_in", 5), ("dispatch", 7), *steps]:
            with engine.begin() as connection:
                STEPS[name](rows, connection, number)
                moves = {(row.what, row.before, row.after) for row in connection.execute(TAKE_MOVES)}
            assert moves <= ALLOWED, name
            seen.update(moves)

    drive()
    engine.dispose()
    assert writers - called == set(), "each function that writes a state has a step in tests/db/machine.py"
    assert seen, "the trigger notes nothing"
