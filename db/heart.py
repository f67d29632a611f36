"""A thread that says that its process is alive."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from core.errors import DatabaseDown
from core.machine import pid_here, still_runs
from db import processes
from db.session import transact

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""A change of the leader is shown as soon; who cannot lead has nothing to look at between two beats."""


@contextmanager
def heart(
    engine: Engine,
    name: str,
    role: str,
    *,
    is_leader: Callable[[], bool] | None = None,
    is_well: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """Let others see that this process is alive for as long as the block runs.

    Args:
        engine: The database.
        name: Of the process; no other one's.
        role: `worker`, `dispatcher` or `web`.
        is_leader: Asked ever and again, so that a change is shown soon; None where nobody leads.
        is_well: Asked at every beat; one whose work has stopped does not show itself.
    """
    stop = threading.Event()

    def beat(*, leads: bool) -> None:
        try:
            if is_well():
                transact(engine, lambda connection: processes.beat(connection, name, role, is_leader=leads))
        except DatabaseDown:
            log.info("PostgreSQL does not answer; this process shows itself again when it does")
        except Exception:
            log.exception("this process could not show itself this time")

    def beat_until_stopped() -> None:
        _take_over(engine, name, role)
        led, next_beat = False, time.monotonic()
        while not stop.is_set():
            leads = is_leader is not None and is_leader()
            if is_leader is None or leads != led or time.monotonic() >= next_beat:
                led, next_beat = leads, time.monotonic() + processes.BEAT_SECONDS
                beat(leads=leads)
            stop.wait(processes.BEAT_SECONDS if is_leader is None else LOOK_SECONDS)

    thread = threading.Thread(target=beat_until_stopped, name="heart", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(processes.BEAT_SECONDS)
        try:
            transact(engine, lambda connection: processes.leave(connection, name))
        except DatabaseDown:
            log.info("PostgreSQL does not answer; this process counts as alive for a moment longer")


def _take_over(engine: Engine, name: str, role: str) -> None:
    """Forget those of this machine that were killed: whoever looks would take them for alive for a while."""

    def work(connection: Connection) -> None:
        for each in processes.list_recent(connection):
            pid = pid_here(each.name, each.role)
            # In a container, who is started again has the number of the one before.
            if pid is None or each.role != role or each.name == name:
                continue
            if pid == os.getpid() or not still_runs(pid, role):
                processes.leave(connection, each.name)

    try:
        transact(engine, work)
    except DatabaseDown:
        log.info("PostgreSQL does not answer; those that were killed count as alive for a moment")
    except Exception:
        log.exception("could not look for processes of this machine that were killed")
