"""A decoder: a process that does what is named to pictures, one by one, within the limits that it is told each time.

It holds nothing but its end of a connection, and is gone when the other end is.
"""

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

from PIL import Image, ImageFile

from core.errors import OutputError, SourceError
from photos.comparison import compare
from photos.decoders.wire import Channel, NoMessage
from photos.fitting import Fitted, fit, restore
from photos.looks import look_at, seen_size_of
from photos.photo import inspect
from photos.thumbnails import thumbnail


def _fit(data: bytes, *given: Any, **named: Any) -> Fitted:
    found = fit(data, *given, **named)
    tiles = found.tiles
    if tiles is not None:
        # As a plain picture: what was opened from a file cannot be sent.
        tiles = tiles.copy()
        tiles.info = {}
    # Whoever asked has the photo.
    return replace(found, tiles=tiles, sent=b"" if found.sent is data else found.sent)


WORK: dict[str, Callable[..., Any]] = {
    work.__name__: work for work in (compare, inspect, look_at, restore, seen_size_of, thumbnail)
} | {"fit": _fit}
KILLED_FIRST = b"800"
"""Should memory run out after all, the system ends decoders before others."""


def main() -> None:
    """Work until the other end is gone."""
    sock, written, read = map(int, sys.argv[1:])
    channel = Channel(socket.socket(fileno=sock), written, read, _find_any)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(KILLED_FIRST)
    Image.preinit()
    Image.init()
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    itself = _data_bytes()
    channel.send("ready")
    while True:
        try:
            name, memory_bytes, cpu_seconds, given, named = channel.receive()
            _limit(itself + memory_bytes, cpu_seconds)
            answer = _answer(name, given, named)
            channel.send((_cpu_seconds(), answer))
        except (NoMessage, OSError):
            return


def _answer(name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, object]:
    try:
        return "done", WORK[name](*given, **named)
    except (SourceError, OutputError) as error:
        if _is_of_memory(error):
            return "broken", "memory"
        return "source" if isinstance(error, SourceError) else "output", (type(error).__name__, error.code, str(error))
    except MemoryError:
        return "broken", "memory"
    except Exception as error:
        return "broken", "memory" if _is_of_memory(error) else f"{type(error).__name__}: {error}"[:200]


def _is_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    seconds = int(_cpu_seconds()) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, resource.RLIM_INFINITY))


def _data_bytes() -> int:
    """Return what this process takes before it does anything."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 100_000_000


def _find_any(module: str, name: str) -> Any:
    # From whoever started this process, who is to be believed.
    return getattr(import_module(module), name)


if __name__ == "__main__":
    main()
