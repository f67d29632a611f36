"""A dispatcher that runs, to be looked at from outside."""

import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine, text

from db.session import make_engine
from producer.dispatcher import Dispatcher, DispatcherOptions
from producer.publisher import Publisher
from tests.db.rows import ACCOUNT, RULES
from worker.policy import decide_lost

DECIDE_LOST = partial(decide_lost, rules=RULES)
OPTIONS = DispatcherOptions(ACCOUNT, rate=5, lease_seconds=30)


class Running:
    """A dispatcher in a thread."""

    def __init__(self, database_url: str, redis_url: str, options: DispatcherOptions = OPTIONS) -> None:
        self._engine = make_engine(database_url, pool_size=3)
        self._publisher = Publisher(redis_url)
        self._stop = threading.Event()
        self.dispatcher = Dispatcher(self._engine, self._publisher, options, DECIDE_LOST)
        self._thread = threading.Thread(target=self.dispatcher.run, args=(self._stop,))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def end(self) -> None:
        self.stop()
        self._thread.join(timeout=120)
        assert not self._thread.is_alive()
        self._publisher.close()
        self._engine.dispose()


def leaders(engine: Engine) -> int:
    with engine.connect() as connection:
        statement = text(
            "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
            "WHERE l.locktype = 'advisory' AND d.datname = current_database()"
        )
        return int(connection.execute(statement).scalar_one())


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    pause, left = threading.Event(), seconds
    while not condition():
        left -= 0.02
        assert left > 0, "this did not come true in time"
        pause.wait(0.02)
