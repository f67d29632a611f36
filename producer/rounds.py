"""Small duties beside the dispatcher, round after round."""

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, fields

from sqlalchemy import Engine

from core.errors import DatabaseDown
from db import chores
from db.chores import Errands
from db.session import transact

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0


class Bell:
    """Asks for all duties at once whether something is due, and wakes those for which there is.

    Args:
        engine: Its statements reach their rows by key, and need no transaction.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._rings = {field.name: threading.Event() for field in fields(Errands)}

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop` is set; outages are waited out."""
        while not stop.is_set():
            try:
                self.ask()
            except DatabaseDown as error:
                log.warning("%s", error)
            except Exception:
                # What nobody foresaw once must not end all duties for good.
                log.exception("what is due could not be found out this time")
            stop.wait(IDLE_SECONDS)
        for ring in self._rings.values():
            ring.set()

    def ask(self) -> None:
        """Ask once.

        Raises:
            DatabaseDown: PostgreSQL does not answer.
        """
        for name, is_due in asdict(transact(self._engine, chores.find_errands)).items():
            if is_due:
                self._rings[name].set()

    def wait(self, name: str) -> None:
        """Wait until something is due for a duty, or all are to end.

        Args:
            name: As `Errands` calls it.
        """
        self._rings[name].wait()
        self._rings[name].clear()


def run_rounds(stop: threading.Event, work: Callable[[], int], *, full: int, wait: Callable[[], object]) -> None:
    """Work until `stop` is set, with a pause whenever there is little to do; outages are waited out.

    Args:
        stop: Ends it between two rounds.
        work: Returns how much it did.
        full: From so much on there is more to do at once.
        wait: Returns when there may be something to do again, or `stop` is set.
    """
    while not stop.is_set():
        try:
            did = work()
        except DatabaseDown as error:
            log.warning("%s", error)
            did = 0
        except Exception:
            # What nobody foresaw in one round must not end the duty for good.
            log.exception("a round failed; the next one comes")
            did = 0
        if did < full:
            wait()
