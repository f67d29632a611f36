"""Upgrades run beside processes that go on: nobody waits long, whoever stops them, and nothing is taken away."""

import inspect
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from core.errors import DatabaseBusy
from db import migrate
from db.migrate import configuration
from db.models import Base
from tests.db.upgrading import go_back_to_first, listening, revisions, upgrade_to
from tests.db.waiting import wait_for_lock

JOBS = 20_000
STRONG = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
"""Behind these a writer waits."""

FILLED = {"jobs", "attempts", "batches", "artifacts"}
TABLES = "SELECT c.oid, c.relname FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
HELD = "SELECT DISTINCT relation FROM pg_locks WHERE pid = %s AND granted AND mode = ANY(%s) AND relation = ANY(%s)"
READ = (
    "SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid)), 0) "
    "FROM unnest(%s::oid[]) AS t (oid)"
)
# What may be sent outside a transaction: nobody but the next vacuum waits for it, or it is about what is new.
APART = re.compile(
    r"\s*(CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|CREATE OR REPLACE FUNCTION|SELECT|SET|RESET"
    r"|ALTER INDEX \w+ RENAME|CREATE TABLE IF NOT EXISTS (?P<made>\w+)|CREATE INDEX IF NOT EXISTS \w+ ON (?P<of>\w+)"
    r"|ALTER TABLE (?P<set>\w+) SET) "
)


@pytest.fixture
def observer(engine: Engine) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """Yield a connection that SQLAlchemy knows nothing of."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def raw(connection: Connection) -> "psycopg.Connection[Any]":
    found: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return found


def test_no_row_is_read_under_a_lock_that_others_wait_behind(
    engine: Engine, observer: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    go_back_to_first(engine, JOBS)
    wrong: list[str] = []
    known: dict[int, str] = {}
    read_before: dict[int, int] = {}

    def count(own: "psycopg.Connection[Any]") -> int:
        filled = [oid for oid, name in known.items() if name in FILLED]
        with own.cursor() as cursor:
            return int(cursor.execute(READ, (filled,)).fetchall()[0][0])

    def note_beginning(connection: Connection, _statement: str) -> None:
        own = raw(connection)
        if own.info.transaction_status is TransactionStatus.IDLE and not own.autocommit:
            read_before[own.info.backend_pid] = count(own)

    def look(connection: Connection, statement: str) -> None:
        own = raw(connection)
        if own.autocommit:
            told = APART.match(statement)
            names = set(known.values())
            if told is None or names & {told["made"], told["of"], told["set"]} or _refers(statement) & names:
                wrong.append(f"{revision}: in no transaction of its own: {_short(statement)}")
            return
        held = observer.execute(HELD, (own.info.backend_pid, list(STRONG), list(known))).fetchall()
        read = count(own)
        with own.cursor() as cursor:
            [(patience,)] = cursor.execute("SELECT current_setting('lock_timeout')").fetchall()
        tables = ", ".join(known[oid] for (oid,) in held)
        if not held:
            read_before[own.info.backend_pid] = read
        elif read > read_before[own.info.backend_pid]:
            wrong.append(f"{revision}: {read} rows are read while others wait for {tables}: {_short(statement)}")
        if held and patience == "0":
            wrong.append(f"{revision}: waits for {tables} as long as it takes: {_short(statement)}")

    for revision in revisions()[1:]:
        known = dict(observer.execute(TABLES).fetchall())
        # Alembic's own row is nobody's.
        known = {oid: name for oid, name in known.items() if name != "alembic_version"}
        with listening(before=note_beginning, after=look):
            upgrade_to(engine, revision)
    assert not wrong, "\n".join(wrong)


def _short(statement: str) -> str:
    return " ".join(statement.split())[:120]


def _refers(statement: str) -> set[str]:
    return set(re.findall(r"REFERENCES (\w+)", statement))


def test_what_others_hold_is_asked_for_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    go_back_to_first(engine, 2)
    monkeypatch.setattr(migrate, "ALTER_PAUSE_SECONDS", 0)
    refused: set[str] = set()

    def refuse_first(connection: Connection, statement: str) -> None:
        # Each one that waits for a lock for so long and no longer finds it kept, once.
        with raw(connection).cursor() as cursor:
            [(patience,)] = cursor.execute("SELECT current_setting('lock_timeout')").fetchall()
        if patience != "0" and statement not in refused:
            refused.add(statement)
            raise OperationalError(statement, None, LockNotAvailable("canceling statement due to lock timeout"))

    with listening(before=refuse_first):
        upgrade_to(engine, "head")
    assert len(refused) > 20
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


CHANGES_NOTHING = ("SELECT", "SET", "LOCK")
"""Stopped before one of these is stopped before the next."""


class Stopped(Exception):
    """The process is gone."""


SCHEMA = (
    "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT proname, prosrc, pg_get_function_arguments(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid FROM pg_index AS i "
    "JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace",
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_schema = 'public'",
    "SELECT batch_id::text, what, sum(n)::text FROM (SELECT batch_id, what, n FROM batch_counts UNION ALL "
    "SELECT batch_id, what, n FROM batch_count_changes) AS each GROUP BY 1, 2 HAVING sum(n) <> 0",
    "SELECT batch_id::text, code, sum(calls)::text, sum(paid)::text FROM (SELECT batch_id, code, calls, paid "
    "FROM ledger_days UNION ALL SELECT batch_id, code, calls, paid FROM ledger_changes) AS each GROUP BY 1, 2",
)
"""The schema, and what is counted of the rows there were."""


def _found(observer: "psycopg.Connection[tuple[Any, ...]]") -> list[list[str]]:
    return [sorted(map(repr, observer.execute(statement).fetchall())) for statement in SCHEMA]


@pytest.mark.slow
def test_one_that_is_stopped_anywhere_is_run_again_and_ends_whole(
    engine: Engine, observer: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    go_back_to_first(engine, 10)
    upgrade_to(engine, "head")
    expected = _found(observer)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    upgrade_to(engine, "head")
    go_back_to_first(engine, 10)
    left = 0

    def stop(_connection: Connection, statement: str) -> None:
        nonlocal left
        if statement.lstrip().startswith(CHANGES_NOTHING):
            return
        left -= 1
        if left < 0:
            if "INDEX CONCURRENTLY" in statement and statement.lstrip().startswith("CREATE"):
                # Stopped in the middle, it leaves an index behind that nobody uses.
                observer.execute(statement.encode())
                name = re.findall(r"CONCURRENTLY (?:IF NOT EXISTS )?(\w+)", statement)[0]
                observer.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", (name,))
            raise Stopped

    stops = 0
    for revision in revisions()[1:]:
        for done in range(1000):
            left = done
            try:
                with listening(before=stop):
                    upgrade_to(engine, revision)
                break
            except Stopped:
                stops += 1
    assert stops > 100
    assert _found(observer) == expected


def runs_alone(revision: str) -> bool:
    """Whether a migration refuses to run beside workers, dispatchers and web of the version before."""
    module = ScriptDirectory.from_config(configuration()).get_revision(revision).module
    return 'refuse_beside(op.get_bind(), "worker", "dispatcher", "web")' in inspect.getsource(module)


COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity FROM "
    "information_schema.columns WHERE table_schema = 'public'"
)


def test_nothing_is_taken_away_that_processes_of_the_version_before_use(
    engine: Engine, observer: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    go_back_to_first(engine, 2)
    wrong: list[str] = []
    for revision in revisions()[1:]:
        if runs_alone(revision):
            upgrade_to(engine, revision)
            continue
        before = {row[:2]: row[2:] for row in observer.execute(COLUMNS).fetchall()}
        upgrade_to(engine, revision)
        after = {row[:2]: row[2:] for row in observer.execute(COLUMNS).fetchall()}
        tables = {table for table, _ in before}
        for name, (kind, may_be_null, _, _) in before.items():
            found = after.get(name)
            if found is None or found[0] != kind or (may_be_null, found[1]) == ("YES", "NO"):
                wrong.append(f"{revision}: {name} was {kind}, and is {found}")
        for name, (_, may_be_null, default, is_identity) in after.items():
            is_asked = may_be_null == "NO" and default is None and is_identity == "NO"
            if name not in before and name[0] in tables and is_asked:
                wrong.append(f"{revision}: whoever adds a row has to know {name}")
    assert not wrong, "\n".join(wrong)


def test_nobody_but_a_vacuum_waits_while_an_upgrade_waits_for_a_vacuum(engine: Engine) -> None:
    statement = "ALTER TABLE jobs ADD COLUMN IF NOT EXISTS seen_twice text"
    waiting = text("SELECT mode FROM pg_locks WHERE NOT granted AND relation = 'jobs'::regclass")
    with ThreadPoolExecutor(1) as pool, engine.connect() as here:
        with engine.begin() as vacuum:
            vacuum.execute(text("LOCK TABLE jobs IN SHARE UPDATE EXCLUSIVE MODE"))
            altering = pool.submit(migrate.alter, here, statement)
            assert wait_for_lock(engine, altering)
            with engine.connect() as other:
                assert other.execute(waiting).scalars().all() == ["ShareUpdateExclusiveLock"]
        altering.result(60)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(seen_twice) FROM jobs")).scalar_one() == 0


def test_one_that_never_gets_its_lock_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "ALTER_TRIES", 2)
    monkeypatch.setattr(migrate, "ALTER_PAUSE_SECONDS", 0)
    monkeypatch.setattr(migrate, "LOCK_MS", 1)
    with engine.begin() as backup, engine.connect() as here:
        backup.execute(text("SELECT count(*) FROM jobs"))
        with pytest.raises(DatabaseBusy, match=r"needs jobs for a moment.*run it again"):
            migrate.alter(here, "ALTER TABLE jobs ADD COLUMN IF NOT EXISTS seen_twice text")
