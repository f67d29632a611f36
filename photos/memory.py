"""One gate for all that photos take of a process' memory: large files, decoded pixels, and work on big photos."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.machine import memory_limit

FILE_BYTES = min(800_000_000, memory_limit() // 8)
"""Of large source files in memory; they stay there until their jobs end, and further ones wait."""

BIG_PIXELS = 12_000_000
"""Larger photos are worked on one after the other."""

_LOOK_SECONDS = 0.5


class NoRoom(Exception):
    """The wait for room was given up."""


class _Held(threading.local):
    """What a thread holds already, so that it never waits for itself."""

    has_turn = False
    has_big = False


class Memory:
    """What the photos of one process may take at the same time.

    Args:
        file_bytes: Of large files.
        turns: How many photos may be decoded or worked on; more than there are cores would not be faster.
    """

    def __init__(self, file_bytes: int, turns: int) -> None:
        self._free_bytes = file_bytes
        self._free_turns = turns
        self._is_big_free = True
        self._held = _Held()
        self._changed = threading.Condition()

    @contextmanager
    def hold_files(self, give_up: Callable[[], bool] = lambda: False) -> Iterator[Callable[[int], None]]:
        """Give what takes so many bytes of room, or gives some back when it is told fewer; all go back at the end.

        To be taken before a turn, never within one.

        Args:
            give_up: Ends a wait.

        Raises:
            NoRoom: From what is given, when the wait was ended.
        """
        held_bytes = 0

        def hold(wanted_bytes: int) -> None:
            nonlocal held_bytes
            with self._changed:
                while wanted_bytes - held_bytes > self._free_bytes:
                    if give_up():
                        raise NoRoom("the worker stops before there is room for a large file")
                    self._changed.wait(_LOOK_SECONDS)
                self._free_bytes -= wanted_bytes - held_bytes
                held_bytes = wanted_bytes
                self._changed.notify_all()

        try:
            yield hold
        finally:
            hold(0)

    @contextmanager
    def hold_pixels(self, pixels: int = 0) -> Iterator[None]:
        """Wait for a turn to decode a photo or to work on it, and keep it; a thread that has one need not wait again.

        Args:
            pixels: Of a photo that is worked on at its full size; 0 for what takes little.
        """
        held = self._held
        takes_turn, takes_big = not held.has_turn, pixels > BIG_PIXELS and not held.has_big
        with self._changed:
            self._changed.wait_for(
                lambda: (self._free_turns > 0 or not takes_turn) and (self._is_big_free or not takes_big)
            )
            self._free_turns -= takes_turn
            self._is_big_free = self._is_big_free and not takes_big
        held.has_turn, held.has_big = True, held.has_big or takes_big
        try:
            yield
        finally:
            held.has_turn, held.has_big = not takes_turn, held.has_big and not takes_big
            with self._changed:
                self._free_turns += takes_turn
                self._is_big_free = self._is_big_free or takes_big
                self._changed.notify_all()


MEMORY = Memory(FILE_BYTES, max(2, os.cpu_count() or 1))
