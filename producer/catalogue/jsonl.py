"""JSON lines: `image_url` or `path`, and optionally `sku`, `elements`, `subject_elements`, `mask`, `name`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import UsageError
from producer.catalogue.folder import read_file
from producer.catalogue.item import Item, name_from_url, read_elements, safe_name, storable
from producer.catalogue.lines import read_lines
from producer.catalogue.url_list import check_url


def read_jsonl(path: Path, *, allow_files: bool = True) -> Iterator[Item]:
    """Yield one item a line; a relative `path` starts at the folder of the file.

    Args:
        path: The file.
        allow_files: Whether rows may name files of this machine.

    Raises:
        UsageError: A line cannot be used; the message has its number.
    """
    for number, line in read_lines(path):
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UsageError(f"{where} is not JSON ({error}). Nothing was submitted.") from error
        if not isinstance(row, dict):
            raise UsageError(f"{where} is not a JSON object. Nothing was submitted.")
        if not allow_files and row.get("path") is not None:
            raise UsageError(f"{where} names a file of this machine; only URLs are taken here.")
        yield _read_row(row, where, path.resolve().parent)


def _read_row(row: dict[str, Any], where: str, folder: Path) -> Item:
    url, file = _read_text(row, "image_url", where), _read_text(row, "path", where)
    if (url is None) == (file is None):
        raise UsageError(f"{where} needs either `image_url` or `path` (it has: {', '.join(row) or 'nothing'}).")
    if url is not None:
        item = Item(uri=check_url(url, where), name=name_from_url(url))
    else:
        found = (folder / str(file)).resolve()
        item = read_file(found, folder) if found.is_relative_to(folder) else read_file(found, found.parent)
    wished = safe_name(_read_text(row, "name", where) or "")
    sku = row.get("sku")
    return Item(
        uri=item.uri,
        name=wished or item.name,
        sku=None if sku is None else str(sku)[:200],
        elements=_read_list(row, "elements", where),
        subject_elements=_read_list(row, "subject_elements", where),
        mask=_read_mask(row, where),
        version=item.version,
    )


def _read_text(row: dict[str, Any], key: str, where: str) -> str | None:
    value = row.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip() or storable(value) != value):
        raise UsageError(f"{where}: `{key}` must be text. Nothing was submitted.")
    return value


def _read_mask(row: dict[str, Any], where: str) -> str | None:
    mask = _read_text(row, "mask", where)
    if mask is not None:
        words = mask.split()
        if len(words) % 2 or not all(word.isascii() and word.isdecimal() for word in words):
            raise UsageError(
                f"{where}: `mask` must be run lengths, `start length start length …`. Nothing was submitted."
            )
    return mask


def _read_list(row: dict[str, Any], key: str, where: str) -> tuple[int, ...] | None:
    return None if row.get(key) is None else read_elements(row[key], f"{where}, `{key}`")
