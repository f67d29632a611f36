"""Two transactions that meet at one point: the first stops after its first lock until the other waits or is through."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from psycopg.errors import DeadlockDetected
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from db.session import make_engine
from tests.db.waiting import wait_for_lock
from tests.locks import locks_of

HANG_SECONDS = 60
"""Only guards against hanging."""

Work = Callable[[Engine], object]


def meet(engine: Engine, first: Work, second: Work) -> list[str]:
    """Let `first` take its first lock on a row, then `second` go as far as it can, then both to their ends.

    Returns:
        The statements that ended in a deadlock.
    """
    stopped, goes_on = threading.Event(), threading.Event()
    slow = make_engine(engine.url.render_as_string(hide_password=False), pool_size=1)
    with _noting_deadlocks(engine) as deadlocks, ThreadPoolExecutor(2) as pool, ExitStack() as at_end:
        at_end.callback(slow.dispose)

        def stop(_connection: Connection, _cursor: object, statement: str, values: object, *_: object) -> None:
            rows = [lock for lock in locks_of(statement, values) if isinstance(lock.what, str)]
            if rows and not stopped.is_set():
                stopped.set()
                assert goes_on.wait(HANG_SECONDS)

        event.listen(slow, "after_cursor_execute", stop)
        with _noting_deadlocks(slow, deadlocks):
            one = pool.submit(first, slow)
            try:
                assert stopped.wait(HANG_SECONDS), "the first locks nothing"
                other = pool.submit(second, engine)
                wait_for_lock(engine, other)
            finally:
                goes_on.set()
            one.result(HANG_SECONDS)
            other.result(HANG_SECONDS)
    return deadlocks


@contextmanager
def _noting_deadlocks(engine: Engine, noted: list[str] | None = None) -> Iterator[list[str]]:
    noted = [] if noted is None else noted

    def note(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, DeadlockDetected):
            noted.append(context.statement or "")

    event.listen(engine, "handle_error", note)
    yield noted
    event.remove(engine, "handle_error", note)
