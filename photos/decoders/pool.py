"""Decoders of this process: started when needed, one for each picture that is worked on, replaced when one dies."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from photos.decoders.limits import WORKER, Allowance, Cost
from photos.decoders.wire import Channel, NoMessage, nameless

ROOT = str(Path(__file__).resolve().parents[2])
CLASSES = {
    ("PIL.Image", "Image"),
    ("photos.comparison", "Comparison"),
    ("photos.fitting.fitted", "Fitted"),
    ("photos.fitting.plan", "Plan"),
    ("photos.fitting.restored", "Restored"),
    ("photos.photo", "Photo"),
}
"""All that an answer may be made of: a decoder that a picture took over must not take over whoever asked."""

_ALLOCATION = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
"""What was used for a photo is used for the next: memory that is new to a process takes longer than copying a photo."""

_WORDS = {
    "memory": "decoding it takes more memory than it may have here",
    "time": "decoding it takes longer than it may here",
}


class Broken(Exception):
    """A picture broke its decoder; the message says how."""


class _Decoder:
    """One process."""

    def __init__(self) -> None:
        self._sock, theirs = socket.socketpair()
        asked, told = nameless(), nameless()
        self._channel = Channel(self._sock, asked, told, _find)
        with theirs:
            handles = (theirs.fileno(), told, asked)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "photos.decoders.child", *map(str, handles)],
                pass_fds=handles,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # No secret that this process was told.
                env={"PYTHONPATH": os.pathsep.join([ROOT, *filter(None, sys.path)]), **_ALLOCATION},
                # Ctrl-C is for us, who let it end what it has begun.
                start_new_session=True,
            )

    def ask(self, cost: Cost, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Any]:
        """Return how a piece of work ended: what of, and what.

        Raises:
            _Killed: It was ended from outside; this decoder is of no more use.
            Broken: The picture ended it, or would have.
        """
        self._sock.settimeout(cost.wall_seconds)
        try:
            self._channel.send((name, cost.memory_bytes, cost.cpu_seconds, given, named))
            found: tuple[str, Any] = self._channel.receive()
        except TimeoutError:
            self.close()
            raise Broken(_WORDS["time"]) from None
        except (NoMessage, OSError):
            ended = self.close()
            if ended == -signal.SIGKILL:
                raise _Killed from None
            raise Broken(_WORDS["time"] if ended == -signal.SIGXCPU else f"its decoder ended ({ended})") from None
        if found[0] == "broken":
            self.close()
            raise Broken(_WORDS.get(str(found[1]), str(found[1])))
        return found

    def close(self) -> int:
        """End the process, if it has not ended, and return how it ended."""
        self._channel.close()
        # It ends by itself when it is told nothing more; what is stuck does not.
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(0.05)
        self._process.kill()
        self._process.wait()
        return -signal.SIGALRM


class _Killed(Exception):
    """A decoder was ended from outside."""


class Decoders:
    """The decoders of one process.

    Args:
        table: What may be spent.
    """

    def __init__(self, table: Allowance) -> None:
        self.table = table
        self._idle: list[_Decoder] = []
        self._free = table.turns
        self._is_big_free = True
        self._changed = threading.Condition()

    def warm(self) -> None:
        """Start one, so that the first picture need not wait for it."""
        with self._changed:
            if not self._idle:
                self._idle.append(_Decoder())

    def run(self, name: str, *given: Any, is_big: bool, **named: Any) -> tuple[str, Any]:
        """Have something done to a picture; return `done`, `source` or `output` and what came of it.

        Args:
            name: Of the work.
            given: Its arguments.
            is_big: Whether the picture is one of those that are worked on one after the other.
            named: More arguments.

        Raises:
            Broken: The picture broke its decoder.
        """
        cost = self.table.big if is_big else self.table.ordinary
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 and (self._is_big_free or not is_big))
            self._take(is_big, 1)
        try:
            try:
                return self._ask(cost, name, given, named)
            except _Killed:
                # By whoever runs the machine, or by the system for want of memory: perhaps another's fault.
                try:
                    return self._ask(cost, name, given, named)
                except _Killed:
                    raise Broken("its decoder was killed twice") from None
        finally:
            with self._changed:
                self._take(is_big, -1)
                self._changed.notify_all()

    def close(self) -> None:
        """End those that have nothing to do."""
        with self._changed:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def _take(self, is_big: bool, turns: int) -> None:
        self._free -= turns
        if is_big:
            self._is_big_free = turns < 0

    def _ask(self, cost: Cost, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Any]:
        with self._changed:
            decoder = self._idle.pop() if self._idle else None
        decoder = decoder or _Decoder()
        try:
            found = decoder.ask(cost, name, given, named)
        except (Broken, _Killed):
            # It starts while its predecessor's failure is told.
            self.warm()
            raise
        except BaseException:
            decoder.close()
            raise
        with self._changed:
            self._idle.append(decoder)
        return found


def _find(module: str, name: str) -> Any:
    if (module, name) not in CLASSES:
        raise NoMessage(f"an answer may not hold {module}.{name}")
    return getattr(sys.modules[module], name)


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
    _decoders = Decoders(_decoders.table)


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
