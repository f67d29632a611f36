"""Room in memory for large source files, which stay there until their jobs end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ROOM_BYTES = 800_000_000
"""Of large source files in the memory of one process; further ones wait."""

_LOOK_SECONDS = 0.5


class NoRoom(Exception):
    """The wait for room was given up."""


class Room:
    """Room for the large files of one process.

    Args:
        free_bytes: How much of them may be in memory at the same time.
    """

    def __init__(self, free_bytes: int) -> None:
        self._free_bytes = free_bytes
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, give_up: Callable[[], bool] = lambda: False) -> Iterator[Callable[[int], None]]:
        """Give what takes so many bytes of room, or gives some back when it is told fewer; all go back at the end.

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


LARGE_FILES = Room(ROOM_BYTES)
