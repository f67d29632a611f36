"""Writing a batch's outputs into a folder, with their names kept, and a report beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from core.errors import UnavailableError, UsageError
from core.states import JobState
from db import artifacts
from db.listings import PhotoRow
from db.store.folder import write_whole
from exporting.named_photos import list_named
from exporting.names import Names, file_of, find_sameness


@dataclass(frozen=True, slots=True)
class Exported:
    """One photo and the file its output went to."""

    photo: PhotoRow
    path: Path | None


def prepare_folder(out: Path) -> Path:
    """Make sure that `out` is a folder we can write to, before anything is paid for.

    Raises:
        UsageError: It is not.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".cleanplate-write-test"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise UsageError(f"Cannot write to {out}: {error.strerror}. Name another folder with --out.") from error
    return out.resolve()


def export_photos(engine: Engine, batch_id: int, out: Path) -> Iterator[Exported]:
    """Write every finished output and yield each photo with its file; files that are there and equal stay.

    Raises:
        OSError: Nothing can be written there.
        UnavailableError: The disk is full or refuses; outputs stay in the store.
    """
    for photo, name in list_named(engine, batch_id, partial(Names, out, find_sameness(out))):
        yield Exported(photo, _write(engine, photo, name, out))


def _write(engine: Engine, photo: PhotoRow, name: str, out: Path) -> Path | None:
    if photo.state != JobState.SUCCEEDED or photo.artifact_sha256 is None:
        return None
    path = out / file_of(name, photo.artifact_format)
    data = artifacts.fetch(engine, photo.artifact_sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data):
            write_whole(path, data)
    except OSError as error:
        raise UnavailableError(
            f"Cannot write {path}: {error.strerror}. Every output is safe in the store; make room and run "
            f"`cleanplate export {photo.batch_id} --to {out}`, or the same command again. Nothing is paid twice."
        ) from error
    return path
