"""Bringing a database to the newest schema, once, however many processes ask at the same time."""

import logging
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from core.errors import DatabaseBusy, Refused, UsageError
from db import locks, processes
from db.locks import Duty
from db.session import make_engine, transact
from db.statements import text

if TYPE_CHECKING:
    # Every process asks for the newest schema, and nearly all find it: those need no Alembic.
    from alembic.config import Config

log = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "migrations"
TURN_SECONDS = 0.2
LOCK_MS = 300
"""How long an upgrade stands in line for a lock that others have to wait behind.

Shorter than PostgreSQL's `deadlock_timeout`, so that it gives way where two wait for each other, and than a worker's
statement waits for what others hold.
"""
ALTER_TRIES = 600
ALTER_PAUSE_SECONDS = 0.5
_ALTERED = re.compile(r"(?:ALTER TABLE|CREATE OR REPLACE TRIGGER \w+ .*? ON) (\w+)", re.DOTALL)


def upgrade(database_url: str, *, patience_seconds: float = 0.0) -> None:
    """Run every migration that is missing, each in a transaction of its own.

    Args:
        database_url: The database to change.
        patience_seconds: How long to wait for PostgreSQL to answer.

    Raises:
        DatabaseDown: PostgreSQL could not be reached.
    """
    engine = make_engine(database_url, pooled=False)
    version = transact(engine, _version, patience_seconds=patience_seconds)
    if version is not None and version >= newest_revision():
        # A newer one serves this program, too, while an upgrade goes round.
        return
    from alembic import command

    config = configuration()
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.commit()
        _wait_for_turn(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _wait_for_turn(connection: Connection) -> None:
    # A statement that waits has a snapshot, and what builds an index beside others' writes waits for all of those.
    while not locks.try_duty(connection, Duty.MIGRATE):
        connection.commit()
        time.sleep(TURN_SECONDS)
    connection.commit()


def refuse_beside(connection: Connection, *roles: str) -> None:
    """Refuse to go on with a migration that processes of the version before cannot run beside.

    A migration calls it before it changes anything. Most need not: see what ARCHITECTURE.md says of upgrades.

    Args:
        connection: The migration's.
        roles: What must not be running: `worker`, `dispatcher`, `web`.

    Raises:
        Refused: Some are alive, or were a moment ago.
    """
    if connection.execute(text("SELECT to_regclass('processes')")).scalar() is None:
        # Older versions than those that show themselves.
        return
    alive = [each.name for each in processes.list_recent(connection) if each.is_alive and each.role in roles]
    if alive:
        raise Refused(
            f"The next step of this upgrade needs every {' and '.join(roles)} stopped first, and {', '.join(alive)} "
            f"showed up less than {processes.ALIVE_SECONDS:.0f} s ago. It changed nothing: stop them, "
            "wait as long, and run it again."
        )


def alter(connection: Connection, statement: str, *, table: str = "") -> None:
    """Change a table that others write; whoever waits for it behind us waits `LOCK_MS` at most.

    Args:
        connection: The migration's, in an autocommit block.
        statement: One statement, in a transaction of its own, that may be run again.
        table: Whose lock it needs; empty for the one that it names.

    Raises:
        DatabaseBusy: Others kept the table all the time.
    """
    named = table or _ALTERED.match(statement).group(1)  # type: ignore[union-attr]
    with connection.engine.connect() as apart:

        def work() -> None:
            with apart.begin():
                _keep_vacuum_out(apart, named)
                apart.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
                apart.exec_driver_sql(statement)

        _until_locked(work, named)


def _keep_vacuum_out(connection: Connection, tables: str) -> None:
    """Wait for whoever vacuums or makes an index: only those wait behind this lock, and no reader or writer.

    An automatic vacuum gives way to what has waited for it for `deadlock_timeout`, which no `LOCK_MS` is.
    """
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")


def _until_locked(work: Callable[[], object], tables: str) -> None:
    """Do what needs a lock, and again after a pause when that was not to be had in time."""
    for left in reversed(range(ALTER_TRIES)):
        try:
            work()
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
            if not left:
                raise DatabaseBusy(
                    f"The upgrade needs {tables} for a moment and never had it: a transaction has kept it for minutes "
                    "(a backup, or one that pg_stat_activity shows). What was done is kept: run it again after that."
                ) from error
            log.warning("others hold %s, which the upgrade needs for a moment; trying again", tables)
            time.sleep(ALTER_PAUSE_SECONDS)
        else:
            return


def begin_beside(connection: Connection, *, locked: str, changes: Sequence[str], past: Sequence[str]) -> None:
    """Let triggers begin to count at one moment, and count what was before it, while others write.

    The tables are locked for the moment in which the triggers come. What was before is read in a snapshot that was
    taken in that moment, which waits for nobody and keeps nobody waiting.

    Args:
        connection: The migration's, in an autocommit block.
        locked: The tables, as SQL.
        changes: What makes the triggers, and forgets what an earlier try has counted.
        past: What counts what was before.
    """
    engine = connection.engine

    def work() -> None:
        with engine.connect() as before, engine.connect() as moment:
            before.execution_options(isolation_level="REPEATABLE READ")
            _keep_vacuum_out(moment, locked)
            moment.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
            moment.exec_driver_sql(f"LOCK TABLE {locked} IN SHARE ROW EXCLUSIVE MODE")
            # Its first statement takes the snapshot, while nobody can write.
            before.execute(text("SELECT set_config('statement_timeout', '0', true)"))
            for statement in changes:
                moment.exec_driver_sql(statement)
            moment.commit()
            for statement in past:
                before.exec_driver_sql(statement)
            before.commit()

    _until_locked(work, locked)


def is_current(engine: Engine, *, patience_seconds: float = 0.0) -> bool:
    """Return whether the database has exactly the schema this program was written for.

    Args:
        engine: The database.
        patience_seconds: How long to wait for PostgreSQL to answer.

    Raises:
        DatabaseDown: PostgreSQL could not be reached.
    """

    return transact(engine, _version, patience_seconds=patience_seconds) == newest_revision()


def refuse_older_schema(engine: Engine) -> None:
    """Check that the database has at least the schema this program was written for; a newer one serves it, too.

    Args:
        engine: The database.

    Raises:
        UsageError: It has an older one, or none.
        DatabaseDown: PostgreSQL could not be reached.
    """

    version = transact(engine, _version)
    if version is None or version < newest_revision():
        raise UsageError(
            f"The database's schema is older ({version or 'none'}) than this program ({newest_revision()}). "
            "Nothing was run: `cleanplate db upgrade` brings it up to date; then start again."
        )


def _version(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def newest_revision() -> str:
    """Return the schema this program was written for: a migration's file begins with its number."""
    return max(path.name[:4] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))


def configuration() -> "Config":
    """Return what Alembic's commands need; they run on the connection in its `attributes`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config
