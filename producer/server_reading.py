"""Asking a server that may not answer."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from prometheus_client.metrics_core import Metric

log = logging.getLogger(__name__)


class ServerReading:
    """What a server tells, if it does so in time.

    Args:
        server: Its name, for the log.
        read: Asks it.
    """

    def __init__(self, server: str, read: Callable[[], list[Metric]]) -> None:
        self._server = server
        self._read = read
        self._reader = ThreadPoolExecutor(1, f"metrics-of-{server}")
        self._newest: Future[list[Metric]] | None = None

    def begin(self) -> None:
        """Ask; one that still hangs is waited for once more, so that never more than one does."""
        self._newest = self._newest or self._reader.submit(self._read)

    def end(self, until: float) -> list[Metric] | None:
        """Return what was told; None when it could not be read until then, by the clock of `time.monotonic`."""
        if self._newest is None:
            return None
        try:
            return self._newest.result(max(0.0, until - time.monotonic()))
        except FutureTimeoutError:
            log.warning("the metrics of %s could not be read in time", self._server)
        except Exception as error:
            log.warning("the metrics of %s could not be read: %s", self._server, error)
        finally:
            if self._newest.done():
                self._newest = None
        return None
