"""A batch's catalogue again, with the URLs of the clean photos, and `failed.csv` beside it."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from core.errors import UnavailableError, UsageError
from core.settings import Settings
from db import reports
from db.artifacts import public_url
from db.batches import BatchRow
from db.session import transact
from producer.catalogue.failures import write_failures
from producer.catalogue.format import AS_IT_IS, Reading
from producer.catalogue.source import is_bucket, is_photo
from producer.catalogue.writing import Written, write_catalogue

FAILED_NAME = "failed.csv"


@dataclass(frozen=True, slots=True)
class CatalogueExport:
    """What was written: the catalogue, how many of its URLs are new, and how many photos are in `failed.csv`."""

    path: Path
    written: Written
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
    path = find_source(batch, source)
    if out.resolve() == path:
        raise UsageError(f"{out} is the catalogue itself; name another file.")
    if not settings.artifacts_url:
        raise UsageError(
            "Nobody could fetch the clean photos: set WEB_PUBLIC_URL to how others reach `cleanplate web`, which "
            "serves them, or ARTIFACT_PUBLIC_URL to where else they are, such as the bucket in ARTIFACT_STORE."
        )
    kept = batch.options.get("reading")
    reading = Reading(**kept) if kept else AS_IT_IS

    def new_urls(urls: Sequence[str]) -> Mapping[str, str]:
        found = transact(engine, lambda connection: reports.find_clean(connection, batch.id, list(urls)))
        base, secret = settings.artifacts_url, settings.artifact_url_secret.get_secret_value()
        return {photo.url: public_url(base, secret, photo.sha256, photo.format) for photo in found}

    try:
        handle, temporary = tempfile.mkstemp(dir=out.resolve().parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                written = write_catalogue(path, file, new_urls, reading)
            os.chmod(temporary, 0o644)
            os.replace(temporary, out)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        with (out.resolve().parent / FAILED_NAME).open("w", encoding="utf-8", newline="") as failed:
            count = write_failures(failed, _failed_rows(engine, batch.id))
    except OSError as error:
        raise UnavailableError(f"Cannot write {out}: {error.strerror}. Make room or name another file.") from error
    return CatalogueExport(out, written, count)


def find_source(batch: BatchRow, source: Path | None) -> Path:
    """Return the file a batch was made from.

    Raises:
        UsageError: It was made from something else, or the file is gone.
    """
    known = str(batch.options.get("source") or "")
    path = source.resolve() if source is not None else Path(known)
    if source is None and (not known or is_bucket(known) or path.is_dir() or is_photo(path)):
        raise UsageError(f"Batch {batch.id} was not made from a catalogue file; get its photos with --to FOLDER.")
    if not path.is_file():
        raise UsageError(f"{path} is not there any more. Name the file with --source FILE.")
    return path


def _failed_rows(engine: Engine, batch_id: int) -> Iterator[tuple[object, ...]]:
    after = 0
    while rows := transact(engine, partial(reports.list_failed, batch_id=batch_id, after=after)):
        for row in rows:
            yield row.source_uri, row.sku, row.job_id, row.state, row.code, row.message
        after = rows[-1].job_id
