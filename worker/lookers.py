"""Threads that look at photos, so few that calls leave in their slots, and so many places to wait that others go on."""

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import PriorityQueue
from typing import Any, TypeVar

from core.states import Lane
from photos.findings import PhotoFinding

NICENESS = 2
"""A call's thread goes before one that looks, whenever both have something to do."""

_LOOK_SECONDS = 0.5

Result = TypeVar("Result")


class Crowded(Exception):
    """As many photos as may wait to be looked at do so already."""


class GivenUp(Exception):
    """The wait for a look was given up."""


@dataclass(order=True, slots=True)
class _Wanted:
    rank: int
    number: int
    work: Callable[[], Any] = field(compare=False, repr=False)
    found: "Future[Any]" = field(compare=False)


class Lookers:
    """Looks at the photos of one process.

    Args:
        look: How.
        threads: How many are looked at at once, each on one thread.
        places: How many may be on their way to a look, or wait for one.
    """

    def __init__(self, look: Callable[[bytes], list[PhotoFinding]], *, threads: int, places: int) -> None:
        self._look = look
        self._threads = threads
        self._places = threading.BoundedSemaphore(places)
        self._wanted: PriorityQueue[_Wanted] = PriorityQueue()
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._are_started = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """Keep one of the places.

        Raises:
            Crowded: There is none.
        """
        if not self._places.acquire(blocking=False):
            raise Crowded("many photos wait to be looked at; this one comes back")
        try:
            yield
        finally:
            self._places.release()

    def look(self, data: bytes, lane: str, give_up: Callable[[], bool] = lambda: False) -> list[PhotoFinding]:
        """Return what is on a photo, once it is its turn.

        Args:
            data: The photo.
            lane: Its job's.
            give_up: Ends the wait.

        Raises:
            GivenUp: The wait was ended.
            CleanplateError: As `photos.findings.look.look`.
        """
        return self.run(lambda: self._look(data), lane, give_up)

    def run(self, work: Callable[[], Result], lane: str, give_up: Callable[[], bool] = lambda: False) -> Result:
        """Do some work that takes a processor on one of the threads: that of interactive jobs first.

        Raises:
            GivenUp: The wait was ended.
        """
        self._start()
        found: Future[Result] = Future()
        self._wanted.put(_Wanted(int(lane != Lane.INTERACTIVE), next(self._numbers), work, found))
        while True:
            try:
                return found.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                if give_up() and found.cancel():
                    raise GivenUp("the worker stops before a photo was looked at") from None

    def _start(self) -> None:
        with self._starting:
            if self._are_started:
                return
            self._are_started = True
            for number in range(self._threads):
                threading.Thread(target=self._work, name=f"look-{number}", daemon=True).start()

    def _work(self) -> None:
        if sys.platform == "linux":
            # Of this thread alone, there.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while True:
            wanted = self._wanted.get()
            if not wanted.found.set_running_or_notify_cancel():
                continue
            try:
                wanted.found.set_result(wanted.work())
            except BaseException as error:  # whoever asked is told
                wanted.found.set_exception(error)
