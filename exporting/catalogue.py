"""A batch's catalogue again, with the URLs of the clean photos, and `failed.csv` beside it."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO

from sqlalchemy import Engine

from core.errors import UnavailableError, UsageError
from core.settings import Settings
from db import artifacts, catalogues, failures
from db.batches import BatchRow
from db.session import transact
from exporting.named_urls import clean_url
from producer.catalogue.failures import write_failures
from producer.catalogue.format import AS_IT_IS, Reading
from producer.catalogue.item import Item, item_key, portable_name
from producer.catalogue.source import is_bucket, is_photo
from producer.catalogue.writing import Written, write_catalogue
from producer.intake import BatchOptions, what_to_take_off

FAILED_NAME = "failed.csv"
NO_URLS = (
    "Nobody could fetch the clean photos: set WEB_PUBLIC_URL to how others reach `cleanplate web`, which serves them, "
    "or ARTIFACT_PUBLIC_URL to where else they are, such as the bucket in ARTIFACT_STORE."
)


@dataclass(frozen=True, slots=True)
class CatalogueExport:
    """What was written: the catalogue, how many of its URLs are new, and the photos that are not clean."""

    path: Path
    written: Written
    failed_path: Path
    failed: int


def export_catalogue(
    engine: Engine, settings: Settings, batch: BatchRow, out: Path, source: Path | None
) -> CatalogueExport:
    """Write the file a batch was made from again, with new URLs for the photos that are clean.

    Args:
        engine: The database.
        settings: Where outputs can be fetched.
        batch: Which.
        out: The new file; `failed.csv` goes beside it.
        source: The file, when it is no longer where it was.

    Raises:
        UsageError: The batch was made from no file, the file is gone or not to be read, or outputs have no URL.
        UnavailableError: The disk takes no more; nothing half-written is left.
    """
    try:
        with open_source(engine, batch, source) as path:
            if out.resolve() == path:
                raise UsageError(f"{out} is the catalogue itself; name another file.")
            failed_path = _free_path(out, path, batch.id)
            handle, temporary = tempfile.mkstemp(dir=out.resolve().parent, prefix=".part-")
            try:
                with os.fdopen(handle, "wb") as file:
                    written = write_shop_file(engine, settings, batch, path, file)
                os.chmod(temporary, 0o644)
                os.replace(temporary, out)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        # URLs stand there as they came, with what lets others in, so that they can be handed in again.
        handle = os.open(failed_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(handle, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as failed:
            count = write_failed(engine, batch.id, failed)
    except OSError as error:
        raise UnavailableError(f"Cannot write {out}: {error.strerror}. Make room or name another file.") from error
    return CatalogueExport(out, written, failed_path, count)


@contextmanager
def open_source(engine: Engine, batch: BatchRow, source: Path | None = None) -> Iterator[Path]:
    """Give the file a batch was made from, as a path that may be there only until it is closed.

    Args:
        engine: The database, which keeps what came as bytes.
        batch: Which.
        source: The file, when the user names one.

    Raises:
        UsageError: It was made from something else, or the file is gone.
        OSError: There is no room for a copy.
    """
    kept = transact(engine, partial(catalogues.find, batch_id=batch.id)) if source is None else None
    if kept is None:
        yield find_source(batch, source)
        return
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder:
        path = Path(folder).resolve() / (portable_name(kept.name) or "catalogue")
        with path.open("wb") as file:
            catalogues.copy(engine, batch.id, file)
        yield path


def write_shop_file(engine: Engine, settings: Settings, batch: BatchRow, path: Path, out: BinaryIO) -> Written:
    """Write a catalogue with new URLs for a batch's clean photos; the same bytes each time while those are the same.

    It is read with the options it was submitted with.

    Args:
        engine: The database.
        settings: Where outputs can be fetched.
        batch: Which.
        path: The file it was made from.
        out: Where it goes.

    Raises:
        UsageError: It can no longer be read as what it was, or outputs have no URL.
    """
    if not settings.artifacts_url:
        raise UsageError(NO_URLS)
    kept = batch.options.get("reading")
    reading = Reading(**kept) if kept else AS_IT_IS
    options = BatchOptions(
        elements=tuple(batch.options["elements"]),
        subject_elements=tuple(batch.options["subject_elements"]),
        mask=batch.options.get("mask"),
    )

    def new_urls(urls: Sequence[str]) -> Mapping[str, str]:
        found = transact(engine, lambda connection: artifacts.find_clean(connection, batch.id, list(urls)))
        return {photo.url: clean_url(settings, photo) for photo in found}

    def new_of_items(items: Sequence[Item]) -> list[str | None]:
        keys = [item_key(item, *what_to_take_off(item, options)[:2]) for item in items]
        found = transact(engine, lambda connection: artifacts.find_clean_items(connection, batch.id, keys))
        new = {key: clean_url(settings, photo) for key, photo in found.items()}
        return [new.get(key) for key in keys]

    return write_catalogue(path, out, new_urls, reading, new_of_items=new_of_items)


def write_failed(engine: Engine, batch_id: int, out: TextIO) -> int:
    """Write a table of a batch's photos that are not clean, and return how many they are.

    Args:
        engine: The database.
        batch_id: Whose.
        out: Opened with `newline=""`.
    """
    return write_failures(out, _failed_rows(engine, batch_id))


def find_source(batch: BatchRow, source: Path | None) -> Path:
    """Return the file on this machine that a batch was made from.

    Raises:
        UsageError: It was made from something else, or the file is gone.
    """
    known = str(batch.options.get("source") or "")
    path = source.resolve() if source is not None else Path(known)
    if source is None and (not path.is_absolute() or is_bucket(known) or path.is_dir() or is_photo(path)):
        raise UsageError(f"Batch {batch.id} was not made from a catalogue file; get its photos with --to FOLDER.")
    if not path.is_file():
        raise UsageError(f"{path} is not there any more. Name the file with --source FILE.")
    return path


def _free_path(out: Path, source: Path, batch_id: int) -> Path:
    """Return where the photos that are not clean go: never over the new catalogue, nor over the file it came from."""
    found = out.resolve().parent / FAILED_NAME
    return found.with_name(f"failed-{batch_id}.csv") if found in {out.resolve(), source.resolve()} else found


def _failed_rows(engine: Engine, batch_id: int) -> Iterator[tuple[object, ...]]:
    after = 0
    while rows := transact(engine, partial(failures.list_failed, batch_id=batch_id, after=after)):
        for row in rows:
            elements, subject = (",".join(map(str, each)) for each in (row.elements, row.subject_elements))
            yield row.source_uri, row.sku, row.job_id, row.state, row.code, row.message, elements, subject, row.mask
        after = rows[-1].job_id
