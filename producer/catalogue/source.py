"""Telling what a SOURCE is and reading it."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import UsageError
from producer.catalogue.folder import PHOTO_SUFFIXES, read_file, read_folder
from producer.catalogue.item import Item
from producer.catalogue.jsonl import read_jsonl
from producer.catalogue.lines import read_lines
from producer.catalogue.url_list import read_url_list


def is_photo(path: Path) -> bool:
    """Whether a file is taken for a photo by its name."""
    return path.suffix.lower() in PHOTO_SUFFIXES


def read_source(source: Path, *, leave_out: Path | None = None) -> Iterator[Item]:
    """Yield the items of a folder, a photo, a URL list or a JSONL file, told apart by their content.

    Args:
        source: What the user named.
        leave_out: A folder that is no part of the source (where outputs go).

    Raises:
        UsageError: It is missing, empty or nothing we read.
    """
    if not source.exists():
        raise UsageError(f"There is no {str(source)!r}. SOURCE is a folder, a text file of URLs, or JSONL.")
    if source.is_dir():
        return read_folder(source, leave_out=leave_out)
    path = source.resolve()
    if is_photo(path):
        return iter([read_file(path, path.parent)])
    first = next((line for _, line in read_lines(path) if not line.startswith("#")), None)
    if first is None:
        raise UsageError(f"{source} is empty: no photo URL and no JSON line in it.")
    return read_jsonl(path) if first.startswith("{") else read_url_list(path)
