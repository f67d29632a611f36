"""Decoders of this process: started when needed, one for each picture that is worked on, replaced when one dies."""

import atexit
import itertools
import os
import threading
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from core.errors import DecodersUnavailable
from photos.decoders.decoder import Broken, Decoder, Killed
from photos.decoders.limits import WORKER, Allowance, Cost


class _Lane(threading.local):
    """Whether somebody waits for what this thread does."""

    is_urgent = False


_lane = _Lane()


@contextmanager
def urgently() -> Iterator[None]:
    """Let what this thread asks of decoders go before what others ask."""
    before, _lane.is_urgent = _lane.is_urgent, True
    try:
        yield
    finally:
        _lane.is_urgent = before


@dataclass(order=True, slots=True)
class _Turn:
    """One that is waited for; the smallest that there is room for comes next, and alone is woken."""

    is_patient: bool
    number: int
    is_big: bool
    has_come: bool = field(default=False, compare=False)
    latch: threading.Lock = field(default_factory=threading.Lock, compare=False)


class Decoders:
    """The decoders of one process. What is urgent goes first, and has one more decoder, which nothing else takes.

    Args:
        table: What may be spent.
    """

    def __init__(self, table: Allowance) -> None:
        self.table = table
        self._idle: list[Decoder] = []
        self._all: set[Decoder] = set()
        self._free = table.turns
        self._is_big_free = True
        self._waiting: list[_Turn] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Start one, so that the first picture need not wait for it."""
        with self._lock:
            if not self._idle:
                self._idle.append(self._start())

    def run(self, name: str, *given: Any, is_big: bool, **named: Any) -> tuple[str, Any]:
        """Have something done to a picture; return `done`, `source` or `output` and what came of it.

        Args:
            name: Of the work.
            given: Its arguments.
            is_big: Whether the picture is one of those that are worked on one after the other.
            named: More arguments.

        Raises:
            Broken: The picture broke its decoder.
            Killed: Two decoders were ended from outside.
            DecodersUnavailable: None can be started.
        """
        cost = self.table.big if is_big else self.table.ordinary
        turn = _Turn(not _lane.is_urgent, next(self._numbers), is_big)
        try:
            self._wait_for(turn)
            try:
                return self._ask(cost, name, given, named)
            except Killed:
                # By whoever runs the machine, or by the system for want of memory: perhaps another's fault.
                return self._ask(cost, name, given, named)
        finally:
            self._leave(turn)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            every, self._all, self._idle = self._all, set(), []
        for each in every:
            each.close()

    def forget(self) -> None:
        """Let go of all of them: they are those of a process that this one was forked from."""
        for each in self._all:
            each.forget()

    def _idle_one(self) -> Decoder | None:
        while self._idle:
            found = self._idle.pop()
            if not found.has_ended:
                return found
            found.close()
        return None

    def _start(self) -> Decoder:
        self._all = {each for each in self._all if not each.is_closed}
        found = Decoder()
        self._all.add(found)
        return found

    def _wait_for(self, turn: _Turn) -> None:
        turn.latch.acquire()
        with self._lock:
            insort(self._waiting, turn)
            self._let_in()
        if not turn.has_come:
            turn.latch.acquire()

    def _leave(self, turn: _Turn) -> None:
        with self._lock:
            if turn.has_come:
                self._take(turn, -1)
            elif turn in self._waiting:
                # Somebody interrupted it.
                self._waiting.remove(turn)
            self._let_in()

    def _let_in(self) -> None:
        """Wake those there is room for; needs the lock."""
        while (turn := next(filter(self._has_room, self._waiting), None)) is not None:
            self._waiting.remove(turn)
            self._take(turn, 1)
            turn.has_come = True
            turn.latch.release()

    def _has_room(self, turn: _Turn) -> bool:
        return self._free > (0 if turn.is_patient else -1) and (self._is_big_free or not turn.is_big)

    def _take(self, turn: _Turn, turns: int) -> None:
        self._free -= turns
        if turn.is_big:
            self._is_big_free = turns < 0

    def _ask(self, cost: Cost, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Any]:
        with self._lock:
            decoder = self._idle_one() or self._start()
        try:
            found = decoder.ask(cost, name, given, named)
        except (Broken, Killed):
            # It starts while its predecessor's failure is told, which is what matters when it cannot start.
            with suppress(DecodersUnavailable):
                self.warm()
            raise
        except BaseException:
            decoder.close()
            raise
        with self._lock:
            self._idle.append(decoder)
        return found


_decoders = Decoders(WORKER)


def decoders() -> Decoders:
    """Return those of this process."""
    return _decoders


def configure(table: Allowance) -> None:
    """Set what this process may spend, before the first picture."""
    global _decoders
    close()
    _decoders = Decoders(table)


def warm() -> None:
    """Start a decoder, so that the first picture need not wait for it."""
    _decoders.warm()


def close() -> None:
    """End the decoders of this process."""
    _decoders.close()


def _forget() -> None:
    """After a fork: the decoders are the parent's."""
    global _decoders
    _decoders.forget()
    _decoders = Decoders(_decoders.table)


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
