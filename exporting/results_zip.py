"""All that a batch came to, in one archive: photos by the names that `run` gives them, and the report.

It is made while it is read, a part at a time, with no transaction open and nothing in memory but names' hashes; the
report and what is copied out of a bucket wait on disk. An output that cannot be read, or was changed where it is kept,
is found before a byte of it is sent, and named in `MISSING.txt`.
"""

import os
import posixpath
import tempfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TextIO

from sqlalchemy import Engine

from core.errors import CleanplateError, DatabaseDown, UnavailableError, UsageError
from core.figures import counted
from core.settings import Settings
from core.states import JobState
from db import catalogues
from db.batches import BatchRow
from db.listings import PhotoRow
from db.parts import Parts, open_parts
from db.session import transact
from exporting.catalogue import FAILED_NAME, open_source, write_failed, write_shop_file
from exporting.folder import Exported
from exporting.named_photos import list_named
from exporting.names import PortableNames, file_of
from exporting.report import Report
from exporting.zip_stream import PART_BYTES, ZipStream
from producer.catalogue.item import portable_name

CONTENTS_NAME = "CONTENTS.txt"
MISSING_NAME = "MISSING.txt"
_ENDED = {JobState.SUCCEEDED, JobState.DEAD, JobState.HELD, JobState.CANCELLED}


@dataclass(frozen=True, slots=True)
class ZipContents:
    """What of a batch goes into an archive.

    Args:
        photos: Its clean photos, not only the report.
        sources: `failed.csv` and the shop's file, in which URLs stand with what lets others in.
    """

    photos: bool = True
    sources: bool = True


@dataclass(slots=True)
class _Counts:
    clean: int = 0
    missing: int = 0
    waiting: int = 0
    failed: int = 0


def write_zip(engine: Engine, settings: Settings, batch: BatchRow, wanted: ZipContents) -> Generator[bytes, None, None]:
    """Yield an archive of what a batch came to so far, in parts; an empty one where there is nothing to send yet.

    Args:
        engine: The database.
        settings: Where outputs can be fetched, and what currency calls are paid in.
        batch: Which.
        wanted: What of it.

    Raises:
        CleanplateError: PostgreSQL does not answer, or an output was lost while it was sent: the archive ends there.
        OSError: The disk for what waits is full.
    """
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder, ZipStream() as archive:
        out = Path(folder).resolve()
        counts = _Counts()
        with (
            Report(engine, batch.id, out, currency=settings.removal_currency) as report,
            (out / MISSING_NAME).open("w", encoding="utf-8") as missing,
        ):
            for photo, name in list_named(engine, batch.id, partial(PortableNames, out)):
                file = yield from _write_photo(engine, archive, photo, name, missing if wanted.photos else None, counts)
                report.add(Exported(photo, out / file if file else None))
            report.finish()
        if not counts.missing:
            (out / MISSING_NAME).unlink()
        told = _write_sources(engine, settings, batch, out) if wanted.sources else []
        (out / CONTENTS_NAME).write_text(_describe(batch, wanted, counts, told), encoding="utf-8", newline="\r\n")
        for path in sorted(each for each in out.rglob("*") if each.is_file()):
            with closing(_OnDisk(path)) as parts:
                yield from _send(archive, path.relative_to(out).as_posix(), parts, None)
        yield from archive.end()


def save_zip(engine: Engine, settings: Settings, batch: BatchRow, path: Path) -> None:
    """Write an archive of what a batch came to so far into a file, whole or not at all.

    Args:
        engine: The database.
        settings: Where outputs can be fetched, and what currency calls are paid in.
        batch: Which.
        path: The file.

    Raises:
        UnavailableError: The disk takes no more; nothing half-written is left.
    """
    try:
        # For its reader's eyes, as `failed.csv` in it has URLs with what lets others in.
        handle, temporary = tempfile.mkstemp(dir=path.resolve().parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(write_zip(engine, settings, batch, ZipContents()))
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UnavailableError(f"Cannot write {path}: {error.strerror}. Make room or name another file.") from error


def _write_photo(
    engine: Engine, archive: ZipStream, photo: PhotoRow, name: str, missing: TextIO | None, counts: _Counts
) -> Generator[bytes, None, str | None]:
    """Yield a photo's bytes and return its file; None when there is none of it. Without `missing` none is sent."""
    if photo.state != JobState.SUCCEEDED or photo.artifact_sha256 is None:
        counts.failed += photo.state in _ENDED
        counts.waiting += photo.state not in _ENDED
        yield b""
        return None
    file = file_of(name, photo.artifact_format)
    if missing is None:
        counts.clean += 1
        yield b""
        return file
    with ExitStack() as opened:
        try:
            parts = opened.enter_context(closing(open_parts(engine, photo.artifact_sha256)))
            sending = _send(archive, file, parts, photo.finished_at)
            first = next(sending)
        except DatabaseDown:
            raise
        except CleanplateError as error:
            counts.missing += 1
            missing.write(f"{file}: job {photo.job_id}: {error}\n")
            yield b""
            return None
        counts.clean += 1
        yield first
        yield from sending
    return file


def _send(archive: ZipStream, name: str, parts: Parts, modified: datetime | None) -> Iterator[bytes]:
    """Yield a file, all of which was read once before the first part."""
    size, crc, whole = parts.size, 0, b""
    for at in range(0, size, PART_BYTES):
        whole = parts.read(at, min(PART_BYTES, size - at))
        crc = zlib.crc32(whole, crc)
    yield archive.begin(name, size=size, crc=crc, modified=modified)
    if size <= PART_BYTES:
        yield whole
        return
    again = 0
    for at in range(0, size, PART_BYTES):
        part = parts.read(at, min(PART_BYTES, size - at))
        again = zlib.crc32(part, again)
        yield part
    if again != crc:
        raise CleanplateError(f"{name} was changed while it was sent")


class _OnDisk:
    """A file of the archive that waits on disk."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size = path.stat().st_size

    def read(self, first: int, count: int) -> bytes:
        self._file.seek(first)
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()


def _write_sources(engine: Engine, settings: Settings, batch: BatchRow, out: Path) -> list[str]:
    """Write `failed.csv` and the shop's file, and return what is to be said of them."""
    with (out / FAILED_NAME).open("w", encoding="utf-8", newline="") as failed:
        count = write_failed(engine, batch.id, failed)
    told = [f"{FAILED_NAME}: {counted(count, 'photo')} not clean, to be handed in again."]
    name = name_of_catalogue(engine, batch)
    if name is None:
        return told
    try:
        with open_source(engine, batch) as path, (out / name).open("wb") as file:
            written = write_shop_file(engine, settings, batch, path, file)
    except UsageError as error:
        (out / name).unlink(missing_ok=True)
        return [*told, f"The catalogue is not in here. {error}"]
    return [*told, f"{name}: the catalogue; {written.replaced:,} photo URLs are new, {written.kept:,} as before."]


def name_of_catalogue(engine: Engine, batch: BatchRow) -> str | None:
    """Return what a batch's catalogue is called with its new URLs; None when it did not come as bytes."""
    kept = transact(engine, partial(catalogues.find, batch_id=batch.id))
    if kept is None:
        return None
    stem, suffix = posixpath.splitext(portable_name(kept.name) or "catalogue")
    return f"{stem}-clean{suffix}"


def _describe(batch: BatchRow, wanted: ZipContents, counts: _Counts, told: list[str]) -> str:
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [f"Batch {batch.id}, {batch.name}, as it stood at {at}.", ""]
    lines.append(f"{counted(counts.clean, 'photo is', 'photos are')} clean{' and in here' if wanted.photos else ''}.")
    if counts.waiting:
        lines.append(f"Not done yet: {counted(counts.waiting, 'photo')}. Download again later.")
    if counts.failed:
        lines.append(f"{counted(counts.failed, 'photo')} ended without being clean; the report says why.")
    if counts.missing:
        lines.append(
            f"{counts.missing:,} clean photos could not be read where they are kept: {MISSING_NAME} names them."
        )
    return (
        "\n".join([*lines, "", *told, "report.html: to look at; report.csv and report.jsonl: a line a photo."]) + "\n"
    )
