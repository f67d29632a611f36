"""A folder of photos, with the folders in it."""

import os
from collections.abc import Iterator
from pathlib import Path

from core.errors import UsageError
from producer.catalogue.item import Item, has_photo_suffix

OUTPUT_MARK = {"report.jsonl", "report_files"}


def read_folder(folder: Path, *, leave_out: Path | None = None) -> Iterator[Item]:
    """Yield every photo below a folder in the order of its path.

    Hidden files and folders, and what an earlier run wrote, are passed over.

    Args:
        folder: Where to look.
        leave_out: A folder whose content is not a source (the outputs of an earlier run).

    Raises:
        UsageError: The folder cannot be read.
    """
    root = folder.resolve()

    def fail(error: OSError) -> None:
        raise UsageError(f"Cannot read the folder {error.filename}: {error.strerror}") from error

    for current, folders, files in os.walk(root, onerror=fail):
        here = Path(current)
        if here != root and {*folders, *files} >= OUTPUT_MARK:
            # What an earlier run wrote is no source, or it would be paid for as one.
            folders.clear()
            continue
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in OUTPUT_MARK and here / name != leave_out
        )
        for name in sorted(files):
            if not name.startswith(".") and has_photo_suffix(name):
                yield _read_entry(here / name, root)


def _read_entry(path: Path, root: Path) -> Item:
    try:
        return read_file(path, root)
    except UsageError:
        # One broken link must not stop a folder: it becomes a job of its own, which says what is wrong.
        return Item(uri=path.as_uri(), name=path.relative_to(root).as_posix())


def read_file(path: Path, root: Path) -> Item:
    """Return one photo on disk as an item named by its path below `root`."""
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}") from error
    return Item(
        uri=path.as_uri(),
        name=path.relative_to(root).as_posix(),
        version=f"{status.st_size}-{status.st_mtime_ns}",
    )
