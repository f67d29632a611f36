"""Photos as browsers show them: small or large pictures of what came in and what came out, and where they differ."""

import hashlib
import io
import threading
from functools import partial

from PIL import Image, ImageChops, ImageFilter
from sqlalchemy import Engine

from console.pages.visitor import PageError
from console.pools import OUTPUTS, PICTURES, sources_of
from core.errors import CleanplateError, SourceError
from core.settings import Settings
from db import artifacts, previews, uploads
from db.listings import JobView
from db.session import transact
from photos.decoders import seen_size_of as _seen_size_of
from photos.decoders import thumbnail
from photos.fetch import Fetcher
from photos.memory import MEMORY
from photos.source import MAX_SOURCE_BYTES, read_source

SMALL, LARGE, FULL = 320, 1600, 1_000_000
"""Longest sides of pictures, pixels; a full one is as large as the photo."""
FETCH_SECONDS = 10.0
"""Whoever looks does not wait as long as a worker does."""
AT_ONCE = 2
"""Decoding takes a processor; pages must not wait for a grid of pictures."""
DIFFERENT = 26
"""Levels of 255 from which on a place is shown as changed; re-encoding stays below."""
MARK = (230, 0, 120, 150)


class Photos:
    """Reads and draws the photos of jobs.

    Args:
        engine: The database.
        settings: What may be fetched, for how long.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._fetcher = Fetcher(
            timeout_seconds=min(settings.fetch_timeout, FETCH_SECONDS),
            max_bytes=MAX_SOURCE_BYTES,
            allow_private=settings.fetch_allow_private,
        )
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    async def before(self, job: JobView, side: int) -> bytes:
        """Return a picture of what was sent, as a JPEG.

        Raises:
            PageError: 404 or 502, when it cannot be read; 410, when another photo is there now.
        """
        if job.source_sha256 is not None and (kept := await self._kept(job.source_sha256, side)) is not None:
            return kept
        # Others' servers take their time, and what is kept must not wait for it.
        data = await sources_of(job.input_uri or job.source_uri).run(partial(self.source, job))
        return await PICTURES.run(partial(self._draw, data, side))

    async def after(self, job: JobView, side: int) -> bytes:
        """Return a picture of the output, as a JPEG.

        Raises:
            PageError: 404 or 502, when there is none.
        """
        if job.shown_sha256 is None:
            raise PageError(404, f"Job {job.id} has no result.")
        kept = await self._kept(job.shown_sha256, side)
        if kept is not None:
            return kept
        data = await OUTPUTS.run(partial(self.output, job))
        return await PICTURES.run(partial(self._draw, data, side))

    async def changes(self, job: JobView) -> bytes:
        """Return where the output differs from what was sent, as a PNG that is transparent elsewhere.

        Raises:
            PageError: As `before` and `after`.
        """
        before, after = await self.before(job, LARGE), await self.after(job, LARGE)
        return await PICTURES.run(partial(self._differences, before, after))

    def _differences(self, before: bytes, after: bytes) -> bytes:
        with self._turns:
            old, new = (Image.open(io.BytesIO(data)).convert("RGB") for data in (before, after))
            difference = ImageChops.difference(old.resize(new.size), new)
            red, green, blue = difference.split()
            highest = ImageChops.lighter(ImageChops.lighter(red, green), blue).filter(ImageFilter.BoxBlur(1))
            mask = highest.point([MARK[3] if level >= DIFFERENT else 0 for level in range(256)])
            drawn = Image.new("RGBA", new.size, MARK)
            drawn.putalpha(mask.filter(ImageFilter.MaxFilter(5)))
            file = io.BytesIO()
            drawn.save(file, "PNG", compress_level=1)
            return file.getvalue()

    def source(self, job: JobView) -> bytes:
        """Return the very bytes that were sent, or are to be.

        Raises:
            PageError: 404 or 502, when they cannot be read; 410, when others are there now.
        """
        uri = job.input_uri or job.source_uri
        try:
            if uri.startswith(uploads.SCHEME):
                found = transact(self._engine, lambda connection: uploads.find(connection, uri))
                if found is None:
                    raise PageError(404, "The uploaded photo is gone.")
                data = found
            else:
                with MEMORY.hold_files() as take:
                    data = read_source(uri, self._fetcher, max_bytes=MAX_SOURCE_BYTES, take=take).data
        except SourceError as error:
            raise PageError(502, f"The photo cannot be read from here: {error}") from error
        if job.source_sha256 is not None and hashlib.sha256(data).hexdigest() != job.source_sha256:
            raise PageError(410, "A different photo is there now than the one that was sent.")
        return data

    def output(self, job: JobView) -> bytes:
        """Return the output's bytes.

        Raises:
            PageError: 404 or 502, when there is none.
        """
        if job.shown_sha256 is None:
            raise PageError(404, f"Job {job.id} has no result.")
        try:
            return artifacts.fetch(self._engine, job.shown_sha256)
        except CleanplateError as error:
            raise PageError(502, f"The result cannot be read: {error}") from error

    async def _kept(self, sha256: str, side: int) -> bytes | None:
        look = partial(previews.find, sha256=sha256, side=side)
        return await PICTURES.run(partial(transact, self._engine, look))

    def _draw(self, data: bytes, side: int) -> bytes:
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            with self._turns:
                drawn = thumbnail(data, side)
        except CleanplateError as error:
            raise PageError(502, f"The photo cannot be shown: {error}") from error
        if side != FULL:
            # A full one is looked at once, and would take as much room as the photo.
            transact(self._engine, lambda connection: previews.keep(connection, sha256, side, drawn))
        return drawn


def seen_size_of(data: bytes) -> tuple[int, int]:
    """Return a picture's width and height as it is seen.

    Raises:
        PageError: 502, when it is none.
    """
    try:
        return _seen_size_of(data)
    except CleanplateError as error:
        raise PageError(502, f"The photo cannot be read: {error}") from error
