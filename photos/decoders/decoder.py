"""One decoder: a process of its own that is asked to do something to a picture, and may die of it."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from math import inf
from pathlib import Path
from typing import Any

from core.errors import DecodersUnavailable
from photos.decoders.limits import Cost
from photos.decoders.wire import Channel, NoMessage, nameless

ROOT = str(Path(__file__).resolve().parents[2])
CLASSES = {
    ("PIL.Image", "Image"),
    ("photos.comparison", "Comparison"),
    ("photos.fitting.fitted", "Fitted"),
    ("photos.fitting.plan", "Plan"),
    ("photos.fitting.painted", "Restored"),
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


class Decoder:
    """One process."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            DecodersUnavailable: The system lets no process start.
        """
        try:
            self._start()
        except OSError as error:
            raise _not_started(error) from error
        self._is_ready = False
        self.is_closed = False
        # As it told itself: to ask the system before each piece of work takes longer than to be told after it.
        self._used_seconds = 0.0

    def _start(self) -> None:
        with ExitStack() as undone:
            self._sock, theirs = socket.socketpair()
            undone.callback(self._sock.close)
            with theirs:
                asked = nameless()
                undone.callback(os.close, asked)
                told = nameless()
                undone.callback(os.close, told)
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
            self._channel = Channel(self._sock, asked, told, _find)
            undone.pop_all()

    @property
    def has_ended(self) -> bool:
        """Whether there is nobody to be asked."""
        return self._process.poll() is not None

    def forget(self) -> None:
        """Let go of it without ending it."""
        self.is_closed = True
        self._channel.close()
        # It is no child of this process, which else would warn that it had left it running.
        self._process.returncode = 0

    def _wait_for_start(self) -> None:
        if self._is_ready:
            return
        self._channel.wait_at_most(START_SECONDS)
        try:
            self._channel.receive()
        except (NoMessage, TimeoutError) as error:
            ended = self.close()
            if ended == -signal.SIGKILL:
                raise Killed from None
            raise _not_started(ended) from error
        self._is_ready = True
        self._used_seconds = self._cpu_seconds()

    def ask(self, cost: Cost, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Any]:
        """Return how a piece of work ended: what of, and what.

        Raises:
            Killed: It was ended from outside, or not let work; this decoder is of no more use.
            Broken: The picture ended it, or would have.
            DecodersUnavailable: It never began.
        """
        self._wait_for_start()
        self._channel.wait_at_most(cost.wall_seconds)
        try:
            self._channel.send((name, cost.memory_bytes, cost.cpu_seconds, given, named))
        except OSError:
            # It ended before it was told of the picture.
            self.close()
            raise Killed from None
        try:
            told, found = self._channel.receive()
        except TimeoutError:
            worked = self._cpu_seconds() - self._used_seconds
            self.close()
            # A machine that stood still, or had no processor to spare, says nothing of the picture.
            if worked < cost.cpu_seconds / 2:
                raise Killed from None
            raise Broken(_WORDS["time"]) from None
        except NoMessage:
            ended = self.close()
            if ended == -signal.SIGKILL:
                raise Killed from None
            raise Broken(_WORDS["time"] if ended == -signal.SIGXCPU else f"its decoder ended ({ended})") from None
        if not isinstance(told, float) or not self._used_seconds <= told < inf:
            self.close()
            raise Broken("what its decoder says cannot be")
        self._used_seconds = told
        if found[0] == "broken":
            self.close()
            raise Broken(_WORDS.get(str(found[1]), str(found[1])))
        answer: tuple[str, Any] = found
        return answer

    def _cpu_seconds(self) -> float:
        """Return what it has taken of processors; nothing where the system does not tell."""
        try:
            with open(f"/proc/{self._process.pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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


def _not_started(why: object) -> DecodersUnavailable:
    return DecodersUnavailable(
        f"No process can be started that opens pictures ({why}): is there memory left, is this installation whole? "
        "No photo was touched."
    )


def _find(module: str, name: str) -> Any:
    if (module, name) not in CLASSES:
        raise NoMessage(f"an answer may not hold {module}.{name}")
    return getattr(sys.modules[module], name)
