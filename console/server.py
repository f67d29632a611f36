"""uvicorn's server, which rests while nobody asks for anything."""

import asyncio
import sys
from contextlib import suppress
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE

TICK_SECONDS = 1.0
"""The header `Date` has whole seconds; uvicorn's own server looks ten times as often whether it is to end."""


class RestingServer(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, which wake it."""

    _loop: asyncio.AbstractEventLoop | None = None
    _told: asyncio.Event

    async def main_loop(self) -> None:
        """Keep the headers of all answers up to date until told to end."""
        self._told = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # Each tick as if it were the first of ten, which is the one that writes the date.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), TICK_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal, and wake."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)


def serve(config: uvicorn.Config) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SystemExit: It could not begin to.
    """
    server = RestingServer(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
