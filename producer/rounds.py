"""Small duties beside the dispatcher, round after round."""

import logging
import threading
from collections.abc import Callable

from core.errors import DatabaseDown

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0


def run_rounds(stop: threading.Event, work: Callable[[], int], *, full: int) -> None:
    """Work until `stop` is set, with a pause whenever there is little to do; outages are waited out.

    Args:
        stop: Ends it between two rounds.
        work: Returns how much it did.
        full: From so much on there is more to do at once.
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
            stop.wait(IDLE_SECONDS)
