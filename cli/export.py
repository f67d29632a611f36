"""Writing a batch's outputs into a folder, with their names kept, and a report beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from sqlalchemy import Engine

from core.errors import UnavailableError, UsageError
from core.states import JobState
from db import artifacts, listings
from db.listings import PhotoRow
from db.session import transact
from db.store.folder import write_whole
from producer.catalogue.folder import PHOTO_SUFFIXES

REPORT_NAMES = frozenset({"report.html", "report.jsonl"})


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
        UnavailableError: The disk is full or refuses; outputs stay in the store.
    """
    names = _Names(out)
    after = 0
    # A page at a time: writing files takes as long as it takes, and no transaction may stay open meanwhile.
    while photos := transact(engine, partial(listings.list_photos, batch_id=batch_id, after=after)):
        for photo in photos:
            yield Exported(photo, _write(engine, photo, names, out))
        after = photos[-1].job_id


def _write(engine: Engine, photo: PhotoRow, names: "_Names", out: Path) -> Path | None:
    if photo.state != JobState.SUCCEEDED or photo.artifact_sha256 is None:
        return None
    path = names.take(photo)
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


class _Names:
    """Gives every photo a name of its own, in the order they came in."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._taken: set[str] = set(REPORT_NAMES)
        self._numbers: dict[str, int] = {}

    def take(self, photo: PhotoRow) -> Path:
        """Return the path for a photo: its own name, numbered when another has it.

        A name that says the wrong format is kept as well: it is what the shop knows the photo by. One that says none
        is given the output's.
        """
        wished = PurePosixPath(photo.name)
        suffix = artifacts.SUFFIXES.get(photo.artifact_format or "")
        if suffix and wished.suffix.lower() not in PHOTO_SUFFIXES:
            wished = wished.with_name(f"{wished.name}.{suffix}")
        if (self._out / wished).as_uri() == photo.source_uri:
            wished = wished.with_name(f"{wished.stem}-clean{wished.suffix}")
        name, key = str(wished), str(wished).lower()
        while name.lower() in self._taken:
            self._numbers[key] = self._numbers.get(key, 1) + 1
            name = str(wished.with_name(f"{wished.stem}-{self._numbers[key]}{wished.suffix}"))
        self._taken.add(name.lower())
        return self._out / name
