"""Ctrl-C, SIGTERM and a closed terminal, at every moment of a stack's life.

While servers start, a signal is only noted and acted on between two steps, so that nothing is started and forgotten.
While the stack runs, the program's own handlers count, and signals that would kill us without a word raise instead.
While it stops, a signal means: faster.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Handlers that are in place between `take` and `give_back`; nothing at all outside the main thread."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._count = 0

    @property
    def came(self) -> bool:
        """Whether a signal came since the last change of phase."""
        return self._count > 0

    def take(self) -> None:
        """Note signals instead of acting on them. What is ignored (nohup, a background job) stays ignored."""
        self._count = 0
        if threading.current_thread() is not threading.main_thread():
            return
        if not self._before:
            handlers = {number: signal.getsignal(number) for number in NUMBERS}
            self._before = {number: old for number, old in handlers.items() if old not in (signal.SIG_IGN, None)}
        for number in self._before:
            signal.signal(number, self._note)

    def check(self) -> None:
        """Act on what was noted.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        if self.came:
            self._count = 0
            raise KeyboardInterrupt

    def release(self) -> None:
        """Let the program's own handlers count; signals it has none for raise KeyboardInterrupt."""
        for number, before in self._before.items():
            signal.signal(number, _raise if before is signal.SIG_DFL else before)

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """Act at once on signals that come inside: for a step that starts nothing."""
        self.check()
        for number in self._before:
            signal.signal(number, _raise)
        try:
            yield
        finally:
            for number in self._before:
                signal.signal(number, self._note)

    def give_back(self) -> None:
        """Put back every handler that was there before."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
