"""Telling what a SOURCE is and reading it."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import UsageError
from core.settings import process_settings
from producer.catalogue import format
from producer.catalogue.bucket import read_bucket
from producer.catalogue.folder import read_file, read_folder
from producer.catalogue.format import AS_IT_IS, Reading, read_catalogue
from producer.catalogue.item import PHOTO_SUFFIXES, Item


def is_photo(path: Path) -> bool:
    """Whether a file is taken for a photo by its name."""
    return path.suffix.lower() in PHOTO_SUFFIXES


def identity(source: str | Path) -> str:
    """Return what tells that the same source is handed in again: an absolute path, or the URL of a bucket."""
    return str(source) if is_bucket(source) else str(Path(source).resolve())


def title(source: str | Path) -> str:
    """Return what people call a source."""
    if is_bucket(source):
        return str(source)
    return Path(source).name or Path(source).resolve().name


def is_bucket(source: str | Path) -> bool:
    """Whether a source is in an S3 bucket."""
    return isinstance(source, str) and source.startswith("s3://")


def tell_guess(source: str | Path, reading: Reading) -> str:
    """Return a sentence on where photos were found in a table, when no name of a column told; else nothing.

    Raises:
        UsageError: It cannot be read.
    """
    path = Path(source)
    if is_bucket(source) or not path.is_file() or is_photo(path):
        return ""
    return format.tell_guess(path, reading)


def is_of_shop(source: str | Path, reading: Reading) -> bool:
    """Whether a source is a file that a shop gave out and takes in again.

    Raises:
        UsageError: It cannot be read.
    """
    path = Path(source)
    return (
        not is_bucket(source)
        and path.is_file()
        and not is_photo(path)
        and format.find_format(path, reading) in format.OF_SHOPS
    )


def read_source(source: str | Path, *, leave_out: Path | None = None, reading: Reading = AS_IT_IS) -> Iterator[Item]:
    """Yield the items of a folder, a photo or a catalogue file, told apart by their content.

    Args:
        source: What the user named.
        leave_out: A folder that is no part of the source (where outputs go).
        reading: What the user says of a catalogue file.

    Raises:
        UsageError: It is missing, empty or nothing we read.
    """
    if is_bucket(source):
        return read_bucket(str(source), process_settings())
    path = Path(source)
    if not path.exists():
        raise UsageError(f"There is no {str(source)!r}. SOURCE is a folder, a photo, or a catalogue file.")
    if path.is_dir():
        return read_folder(path, leave_out=leave_out)
    path = path.resolve()
    if is_photo(path):
        return iter([read_file(path, path.parent)])
    return read_catalogue(path, reading)
