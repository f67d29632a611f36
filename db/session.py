"""Connections: an engine per process, short transactions, and patience when PostgreSQL restarts."""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure
from sqlalchemy import Connection, Dialect, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, QueuePool

from core.errors import DatabaseBusy, DatabaseDown, UsageError
from db.pooler import SessionCheck
from db.statements import text

log = logging.getLogger(__name__)
Result = TypeVar("Result")

CONNECT_SECONDS = 5
STATEMENT_MS = 60_000
BY_KEY = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    # Before PostgreSQL 18 a plan that is forbidden counts as so dear that it would be compiled.
    "jit": "off",
    # There is but one good plan then; to look for it anew each time took a quarter of what PostgreSQL took.
    "plan_cache_mode": "force_generic_plan",
}
IDLE_MS = 10_000
UNACKNOWLEDGED_MS = 20_000
MOST_COLLISIONS = 5
COLLISION_PAUSE_SECONDS = 0.02

ONLY_READS = "25006"
# Connection exceptions; insufficient resources; shut down, crashed or starting; a standby that only reads.
_AWAY = ("08", "53", "57P01", "57P02", "57P03", ONLY_READS)
# statement_timeout (or a cancel by hand), lock_timeout.
_TOO_LONG = ("57014", "55P03")
_READER = (
    "PostgreSQL only reads ({}): it is a standby, or fails over. Nothing is lost: what runs goes on by itself when it "
    "writes; else let DATABASE_URL name the primary, then run the same command again."
)


def make_engine(
    database_url: str,
    *,
    pool_size: int = 8,
    is_strict: bool = False,
    pooled: bool = True,
    lock_seconds: float | None = None,
    is_by_key: bool = False,
) -> Engine:
    """Return an engine for `database_url`.

    Args:
        database_url: `postgresql://…` or `postgres://…`; psycopg 3 is always the driver.
        pool_size: Connections kept open; as many again may be opened under load.
        is_strict: Open none beyond those; who needs one waits.
        pooled: False opens a connection for each transaction and keeps none.
        lock_seconds: How long a statement waits for what others keep locked; None for as long as it may take in all.
        is_by_key: Whether every statement reaches few rows by their keys, whatever the planner believes.

    Raises:
        UsageError: The URL is not one of PostgreSQL.
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError) as error:
        raise UsageError("DATABASE_URL is not a database URL; it looks like postgresql://user@host/name") from error
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise UsageError(f"DATABASE_URL must name PostgreSQL (postgresql://…), not {url.get_backend_name()!r}")
    url = url.set(drivername="postgresql+psycopg")
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "cleanplate",
        # A server that was made without an encoding would give bytes for text.
        "client_encoding": "UTF8",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # What was sent and is never acknowledged is no reason for keepalives.
        "tcp_user_timeout": UNACKNOWLEDGED_MS,
    }
    kept: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0 if is_strict else pool_size,
        "pool_timeout": 30,
        "pool_recycle": 1800,
    }
    engine = create_engine(url, connect_args=arguments, **(kept if pooled else {"poolclass": NullPool}))
    settings = {
        "timezone": "UTC",
        "statement_timeout": str(STATEMENT_MS),
        # A frozen or cut-off process must not keep others waiting for the rows of its open transaction.
        "idle_in_transaction_session_timeout": str(IDLE_MS),
        **(BY_KEY if is_by_key else {}),
        **({} if lock_seconds is None else {"lock_timeout": f"{lock_seconds * 1000:.0f}"}),
    }
    event.listen(engine, "do_connect", partial(_connect, SessionCheck(), settings))
    event.listen(engine, "handle_error", _leave_what_only_reads)
    return engine


def _connect(
    check: SessionCheck,
    settings: Mapping[str, str],
    dialect: Dialect,
    _record: object,
    words: Sequence[Any],
    arguments: dict[str, Any],
) -> psycopg.Connection[Any]:
    def open_one() -> psycopg.Connection[Any]:
        return cast("psycopg.Connection[Any]", dialect.connect(*words, **arguments))

    connection = open_one()
    try:
        check.settle(connection, settings, open_one)
    except BaseException:
        connection.close()
        raise
    return connection


def _leave_what_only_reads(context: ExceptionContext) -> None:
    """Connect anew after a failover: the server of before may live on as a standby, with all our connections."""
    if getattr(context.original_exception, "sqlstate", None) == ONLY_READS:
        context.is_disconnect = True


def open_all(engine: Engine) -> int:
    """Open every connection that a strict engine keeps, so that nobody waits for one later, and return how many.

    Args:
        engine: As yet used by nobody else: who holds one of them would be waited for.

    Raises:
        SQLAlchemyError: PostgreSQL takes no connections.
    """
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    with ExitStack() as held:
        for _ in range(pool.size()):
            held.enter_context(engine.connect())
    return pool.size()


def is_down(error: BaseException) -> bool:
    """Whether an error says that PostgreSQL went away or takes nothing, rather than that a statement was wrong.

    What it says itself counts, as SQLSTATE: Appendix A of its manual lists them.
    """
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = _sqlstate(error)
    if state is None:
        return isinstance(error, OperationalError) or error.connection_invalidated
    return state.startswith(_AWAY) or error.connection_invalidated


def is_busy(error: BaseException) -> bool:
    """Whether PostgreSQL answers, and ended a statement that took too long or waited too long for a lock."""
    return isinstance(error, DBAPIError) and _sqlstate(error) in _TOO_LONG


def is_collision(error: BaseException) -> bool:
    """Whether PostgreSQL ended a transaction only because others were in its way: the same one will do now."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, DeadlockDetected | SerializationFailure)


def transact(
    engine: Engine,
    work: Callable[[Connection], Result],
    *,
    patience_seconds: float = 0.0,
    give_up: Callable[[], bool] = lambda: False,
    repeats_busy: bool = False,
) -> Result:
    """Run `work` in one transaction and return what it returns.

    Args:
        engine: Where to.
        work: Must be safe to repeat: a lost COMMIT leaves it unknown whether it took effect.
        patience_seconds: How long to go on trying while PostgreSQL cannot be reached.
        give_up: Asked between tries; True ends the patience early.
        repeats_busy: Whether the patience is also for a statement that took too long; it most likely does again.

    Raises:
        DatabaseBusy: A statement took too long, or waited too long for others.
        DatabaseDown: PostgreSQL could not be reached in that time.
    """
    deadline = time.monotonic() + patience_seconds
    pause = 0.05
    collisions = 0
    while True:
        try:
            with engine.begin() as connection:
                return work(connection)
        except (DBAPIError, PoolTimeout) as error:
            if is_collision(error) and collisions < MOST_COLLISIONS:
                collisions += 1
                log.info("repeating a transaction that others were in the way of: %s", _first_line(error))
                # Who repeats at once takes its first row again before those who waited for it have woken.
                _sleep(COLLISION_PAUSE_SECONDS * 2**collisions)
                continue
            busy = is_busy(error)
            if not busy and not is_down(error):
                raise
            if (busy and not repeats_busy) or time.monotonic() + pause > deadline or give_up():
                raise as_unavailable(error) from error
            log.warning("%s, trying again", describe_down(error))
        _sleep(pause)
        pause = min(pause * 2, 1.0)


def now(connection: Connection) -> datetime:
    """Return PostgreSQL's time: what every durable time is compared with."""
    moment: datetime = connection.execute(text("SELECT now()")).scalar_one()
    return moment


def describe_down(error: DBAPIError | PoolTimeout) -> str:
    """Return in a few words what an error that `is_busy` or `is_down` says of PostgreSQL, for logs."""
    if is_busy(error):
        what = "PostgreSQL is busy"
    elif _only_reads(error):
        what = "PostgreSQL only reads"
    else:
        what = "PostgreSQL does not answer"
    return f"{what} ({_first_line(error)})"


def refuse_reader(connection: Connection) -> None:
    """Check that PostgreSQL writes.

    Raises:
        DatabaseDown: It only reads.
    """
    if connection.execute(text("SELECT current_setting('transaction_read_only')")).scalar_one() == "on":
        raise DatabaseDown(_READER.format("transaction_read_only is on"))


def as_unavailable(error: DBAPIError | PoolTimeout) -> DatabaseDown:
    """Return what to tell people of an error that `is_busy` or `is_down`."""
    cause = _first_line(error)
    if is_busy(error):
        return DatabaseBusy(
            f"PostgreSQL answers, but took too long ({cause}). Nothing is lost: run the same command again when there "
            "is less to do, or look in pg_stat_activity for what holds it up."
        )
    if _only_reads(error):
        return DatabaseDown(_READER.format(cause))
    return DatabaseDown(
        f"PostgreSQL cannot be reached ({cause}). Nothing is lost: start it or set DATABASE_URL, then run the same "
        "command again."
    )


def _sleep(most_seconds: float) -> None:
    time.sleep(most_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret


def _only_reads(error: DBAPIError | PoolTimeout) -> bool:
    return isinstance(error, DBAPIError) and _sqlstate(error) == ONLY_READS


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _first_line(error: DBAPIError | PoolTimeout) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip().splitlines() or ["no reason given"])[0]
