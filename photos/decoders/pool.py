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

from core.errors import DecodersUnavailable
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


START_SECONDS = 60.0
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR", "PATH", "LANG")
"""What an interpreter may need to start at all."""


class Broken(Exception):
    """A picture broke its decoder; the message says how."""


class Killed(Exception):
    """Decoders were ended from outside, one after the other."""


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
                env={
                    **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                    "PYTHONPATH": os.pathsep.join([ROOT, *filter(None, sys.path)]),
                    **_ALLOCATION,
                },
                # Ctrl-C is for us, who let it end what it has begun.
                start_new_session=True,
            )

        self._is_ready = False
        self.is_closed = False

    def forget(self) -> None:
        """Let go of it without ending it."""
        self.is_closed = True
        self._channel.close()
        # It is no child of this process, which else would warn that it had left it running.
        self._process.returncode = 0

    def _wait_for_start(self) -> None:
        if self._is_ready:
            return
        self._sock.settimeout(START_SECONDS)
        try:
            self._channel.receive()
        except (NoMessage, TimeoutError) as error:
            ended = self.close()
            if ended == -signal.SIGKILL:
                raise Killed from None
            raise DecodersUnavailable(
                f"No process can be started that opens pictures ({ended}): is there memory left, is this installation "
                "whole? No photo was touched."
            ) from error
        self._is_ready = True

    def ask(self, cost: Cost, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Any]:
        """Return how a piece of work ended: what of, and what.

        Raises:
            Killed: It was ended from outside; this decoder is of no more use.
            Broken: The picture ended it, or would have.
            DecodersUnavailable: It never began.
        """
        self._wait_for_start()
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
                raise Killed from None
            raise Broken(_WORDS["time"] if ended == -signal.SIGXCPU else f"its decoder ended ({ended})") from None
        if found[0] == "broken":
            self.close()
            raise Broken(_WORDS.get(str(found[1]), str(found[1])))
        return found

    def close(self) -> int:
        """End the process, if it has not ended, and return how it ended."""
        if self.is_closed:
            return self._process.wait()
        self.is_closed = True
        self._channel.close()
        # It ends by itself when it is told nothing more; what is stuck does not.
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(0.05)
        self._process.kill()
        self._process.wait()
        return -signal.SIGALRM


class Decoders:
    """The decoders of one process.

    Args:
        table: What may be spent.
    """

    def __init__(self, table: Allowance) -> None:
        self.table = table
        self._idle: list[_Decoder] = []
        self._all: set[_Decoder] = set()
        self._free = table.turns
        self._is_big_free = True
        self._changed = threading.Condition()

    def warm(self) -> None:
        """Start one, so that the first picture need not wait for it."""
        with self._changed:
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
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 and (self._is_big_free or not is_big))
            self._take(is_big, 1)
        try:
            try:
                return self._ask(cost, name, given, named)
            except Killed:
                # By whoever runs the machine, or by the system for want of memory: perhaps another's fault.
                return self._ask(cost, name, given, named)
        finally:
            with self._changed:
                self._take(is_big, -1)
                self._changed.notify_all()

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            every, self._all, self._idle = self._all, set(), []
        for each in every:
            each.close()

    def forget(self) -> None:
        """Let go of all of them: they are those of a process that this one was forked from."""
        for each in self._all:
            each.forget()

    def _start(self) -> _Decoder:
        self._all = {each for each in self._all if not each.is_closed}
        found = _Decoder()
        self._all.add(found)
        return found

    def _take(self, is_big: bool, turns: int) -> None:
        self._free -= turns
        if is_big:
            self._is_big_free = turns < 0

    def _ask(self, cost: Cost, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Any]:
        with self._changed:
            decoder = self._idle.pop() if self._idle else None
            decoder = decoder or self._start()
        try:
            found = decoder.ask(cost, name, given, named)
        except (Broken, Killed):
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
    _decoders.forget()
    _decoders = Decoders(_decoders.table)


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
