"""Threads, apart for what must not wait for each other.

Whatever is not named here shares the framework's own threads: it asks PostgreSQL, which has bounds of its own, and
nobody else.
"""

import asyncio
import contextvars
import inspect
import threading
import zlib
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from fastapi import HTTPException

T = TypeVar("T")


class Pool:
    """Some threads for one kind of work.

    Args:
        name: Of the kind, for people.
        threads: How many.
        waiting: How many more may wait for one; whoever comes after them is told to come again.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._name = name
        self.threads = threads
        self._most = threads + waiting
        self._taken = 0
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, in a thread of this pool.

        Raises:
            HTTPException: 503, when too many wait already.
        """
        with self._lock:
            if self._taken >= self._most:
                raise HTTPException(
                    503, f"Too many {self._name} are requested right now; try again.", {"Retry-After": "2"}
                )
            self._taken += 1
        try:
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self._workers, context.run, work)
        finally:
            with self._lock:
                self._taken -= 1

    def later(self, work: Callable[[], object]) -> None:
        """Let a thread of this pool do something that nobody waits for, however many wait."""
        self._workers.submit(work)

    def serves(self, route: Callable[..., T]) -> Callable[..., Coroutine[Any, Any, T]]:
        """Make a route run in this pool instead of the threads that all share."""

        async def run(*args: Any, **kwargs: Any) -> T:
            return await self.run(partial(route, *args, **kwargs))

        # Not by functools.wraps: the framework looks through what is wrapped, and would call it in its own threads.
        run.__name__, run.__doc__ = route.__name__, route.__doc__
        run.__signature__ = inspect.signature(route)  # type: ignore[attr-defined]
        return run


WEBHOOKS = Pool("webhooks", 8, 200)
HEALTH = Pool("health", 2, 20)
PICTURES = Pool("pictures", 6, 200)
REDOS = Pool("redos", 4, 40)
_SOURCES = [Pool("photos of others", 2, 100) for _ in range(8)]
OUTPUTS = Pool("outputs", 6, 300)
FILES = Pool("files", 2, 20)
"""Catalogues and photos that are sent: minutes of work, perhaps."""
DOWNLOADS = Pool("downloads", 3, 60)
"""A part at a time of files that are made while they are read."""
SIGNING_IN = Pool("sign-ins", 4, 40)
GATE = Pool("requests", 8, 500)


def sources_of(uri: str) -> Pool:
    """Return the threads in which a photo is fetched: the same for a host, so that a silent one holds no others."""
    host = uri.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
    return _SOURCES[zlib.crc32(host.encode()) % len(_SOURCES)]
