"""What a batch came to, as files that are made while they are read.

Whoever reads nothing holds a turn and a file or two, no thread, no transaction and no more memory than one part; the
connection is closed when nothing was read for long (`console/protocol.py`), and all is let go.
"""

import logging
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from fastapi import HTTPException
from sqlalchemy import Engine
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from console.no_room import has_room, refusal
from console.pools import DOWNLOADS
from core.disposition import disposition
from core.errors import NotFound, Refused
from core.settings import Settings
from db import batches
from db.batches import BatchRow
from db.session import transact
from exporting.catalogue import FAILED_NAME, NO_URLS, open_source, write_failed, write_shop_file
from exporting.results_zip import ZipContents, name_of_catalogue, write_zip
from exporting.zip_stream import PART_BYTES

MOST_AT_ONCE = 8
"""Files that are made at one time by this process; each may take room on disk, and names' hashes in memory."""
ZIP, CSV, BYTES = "application/zip", "text/csv; charset=utf-8", "application/octet-stream"

Parts = Generator[bytes, None, None]

_TURNS = threading.BoundedSemaphore(MOST_AT_ONCE)

log = logging.getLogger(__name__)


class BatchFiles:
    """Makes files of batches.

    Args:
        engine: The database.
        settings: Where outputs can be fetched.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def results(self, batch_id: int, wanted: ZipContents) -> "MadeFile":
        """Return an archive of what a batch came to so far.

        Raises:
            NotFound: There is no such batch.
            HTTPException: 503, so many are being made already.
        """
        batch = await self._find(batch_id)
        name = f"batch-{batch_id}.zip" if wanted.photos else f"batch-{batch_id}-report.zip"
        return await MadeFile.begin(write_zip(self._engine, self._settings, batch, wanted), name, ZIP)

    async def catalogue(self, batch_id: int) -> "MadeFile":
        """Return the file that a batch was made from, with the URLs of its clean photos.

        Raises:
            NotFound: There is no such batch, or its file is not kept.
            Refused: Outputs have no URL that others could use.
            HTTPException: 503, so many are being made already.
        """
        batch = await self._find(batch_id)
        name = await DOWNLOADS.run(partial(name_of_catalogue, self._engine, batch))
        if name is None:
            raise NotFound(
                f"Batch {batch_id} did not come with a catalogue that is kept. Where its file is, `cleanplate export "
                f"{batch_id} --catalogue FILE` writes it again."
            )
        if not self._settings.artifacts_url:
            raise Refused(NO_URLS)
        return await MadeFile.begin(_written(partial(self._write_shop_file, batch)), name, BYTES)

    async def failed(self, batch_id: int) -> "MadeFile":
        """Return a table of a batch's photos that are not clean, which can be handed in again.

        Raises:
            NotFound: There is no such batch.
            HTTPException: 503, so many are being made already.
        """
        batch = await self._find(batch_id)
        return await MadeFile.begin(_written(partial(self._write_failed, batch)), FAILED_NAME, CSV)

    async def _find(self, batch_id: int) -> BatchRow:
        return await DOWNLOADS.run(partial(transact, self._engine, partial(batches.require, batch_id=batch_id)))

    def _write_shop_file(self, batch: BatchRow, path: Path) -> None:
        with open_source(self._engine, batch) as source, path.open("wb") as file:
            write_shop_file(self._engine, self._settings, batch, source, file)

    def _write_failed(self, batch: BatchRow, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            write_failed(self._engine, batch.id, file)


def _written(write: Callable[[Path], None]) -> Parts:
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder:
        path = Path(folder) / "made"
        write(path)
        with path.open("rb") as file:
            yield from iter(partial(_read, file), b"")


def _read(file: BinaryIO) -> bytes:
    return file.read(PART_BYTES)


class MadeFile(StreamingResponse):
    """A file that is made as fast as it is read, and let go of whatever becomes of who reads it."""

    def __init__(self, making: "_Making", first: bytes | None, name: str, media_type: str) -> None:
        headers = {
            "Content-Disposition": disposition("attachment", name),
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        super().__init__(making.read(first), 200, headers, media_type)
        self._making = making

    @classmethod
    async def begin(cls, parts: Parts, name: str, media_type: str) -> "MadeFile":
        """Return an answer whose first part is made, so that what is wrong with it can still be said.

        Args:
            parts: What makes it; empty parts are nothing to send yet.
            name: The file's.
            media_type: What it is.

        Raises:
            HTTPException: 503, so many are being made already, or there is no room for one.
        """
        if not has_room():
            raise refusal()
        if not _TURNS.acquire(blocking=False):
            raise HTTPException(503, "Too many files are being made at this moment; try again.", {"Retry-After": "30"})
        making = _Making(parts)
        try:
            first = await DOWNLOADS.run(making.step)
        except BaseException:
            making.stop()
            raise
        return cls(making, first, name, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._making.stop()


class _Making:
    """A file on its way; whoever lets go of it waits for the step that is being made, in a thread that may wait."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()

    def step(self) -> bytes | None:
        """Return the next part; None after the last."""
        with self._lock:
            return next(self._parts, None)

    async def read(self, first: bytes | None) -> AsyncIterator[bytes]:
        part = first
        while part is not None:
            if part:
                yield part
            try:
                part = await DOWNLOADS.run(self.step)
            except Exception as error:
                # It breaks off, and whoever reads it sees that it is not whole.
                log.error("a file cannot be made any further: %s", error)  # noqa: TRY400 - the cause is in the message
                raise

    def stop(self) -> None:
        """Let go of what it holds."""
        DOWNLOADS.later(self._close)

    def _close(self) -> None:
        try:
            with self._lock:
                self._parts.close()
        finally:
            _TURNS.release()
