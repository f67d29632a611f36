"""JSON lines: `image_url` or `path`, and optionally what `KNOWN` names besides; other keys are the user's own."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.regular import read_regular
from producer.catalogue.faults import faulty
from producer.catalogue.folder import read_file
from producer.catalogue.item import Item, name_from_url, read_elements, safe_name, storable
from producer.catalogue.lines import read_lines
from producer.catalogue.typed_url import read_url, shown
from removal.mask import Box, ask_for_boxes, ask_for_drawn, check_asked, read_box

KNOWN = ("image_url", "path", "sku", "name", "elements", "subject_elements", "mask", "boxes")
MOST_MASK_BYTES = 20_000_000
_SLIP = 0.8
_SLIPS = {"box": "boxes"}


def read_jsonl(path: Path, *, allow_files: bool = True, is_strict: bool = False) -> Iterator[Item]:
    """Yield one item a line; a relative `path` starts at the folder of the file.

    Args:
        path: The file.
        allow_files: Whether rows may name files of this machine.
        is_strict: Whether a line that cannot be used ends it.

    Raises:
        UsageError: A line cannot be used, and it is strict; the message has its number.
    """
    folder = path.resolve().parent
    for number, line in read_lines(path):
        try:
            yield read_line(line, f"{path.name}, line {number}", folder, allow_files=allow_files)
        except UsageError as error:
            if is_strict:
                raise
            yield faulty(number, error)


def read_line(line: str, where: str, folder: Path, *, allow_files: bool) -> Item:
    """Return the photo that a line names.

    Args:
        line: The text of a JSON object.
        where: What to call it in messages.
        folder: Where relative paths begin.
        allow_files: Whether it may name files of this machine.

    Raises:
        UsageError: It cannot be used.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # the former also for a number of thousands of digits
        raise UsageError(f"{where} is not JSON ({str(error)[:200]}). Nothing was submitted.") from error
    if not isinstance(row, dict):
        raise UsageError(f"{where} is not a JSON object. Nothing was submitted.")
    if not allow_files and row.get("path") is not None:
        raise UsageError(f"{where} names a file of this machine; only URLs are taken here.")
    return _read_row(row, where, folder, allow_files=allow_files)


def _read_row(row: dict[str, Any], where: str, folder: Path, *, allow_files: bool) -> Item:
    _check_keys(row, where)
    url, file = _read_text(row, "image_url", where), _read_text(row, "path", where)
    if (url is None) == (file is None):
        raise UsageError(f"{where} needs either `image_url` or `path` (it has: {', '.join(row) or 'nothing'}).")
    if url is not None:
        read = read_url(url)
        if read is None:
            raise UsageError(f"{where}: {shown(url)!r} is no http or https URL. Nothing was submitted.")
        item = Item(uri=read, name=name_from_url(read))
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
        mask=_read_mask(row, where, folder, allow_files=allow_files),
        version=item.version,
    )


def _read_text(row: dict[str, Any], key: str, where: str) -> str | None:
    value = row.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip() or storable(value) != value):
        raise UsageError(f"{where}: `{key}` must be text. Nothing was submitted.")
    return value


def _check_keys(row: dict[str, Any], where: str) -> None:
    for key in row.keys() - KNOWN:
        close = get_close_matches(key.lower(), KNOWN, n=1, cutoff=_SLIP)
        meant = _SLIPS.get(key.lower()) or next(iter(close), None)
        # Passed over, a slip would pay for something else than was asked.
        if meant and meant not in row:
            raise UsageError(f"{where}: `{key}` is not known; did you mean `{meant}`? Nothing was submitted.")


def _read_mask(row: dict[str, Any], where: str, folder: Path, *, allow_files: bool) -> str | None:
    mask, boxes = _read_text(row, "mask", where), row.get("boxes")
    if mask is not None and boxes is not None:
        raise UsageError(f"{where}: `mask` and `boxes` both say what to erase; give one of them.")
    try:
        if boxes is not None:
            return check_asked(ask_for_boxes(_read_boxes(boxes)))
        if mask is not None and mask.lower().endswith(".png"):
            return _read_drawn(folder / mask, allow_files=allow_files)
        return None if mask is None else check_asked(mask)
    except OSError as error:
        raise UsageError(f"{where}: `mask`: cannot read {mask}: {error.strerror}. Nothing was submitted.") from error
    except UsageError as error:
        raise UsageError(
            f"{where}: `{'mask' if boxes is None else 'boxes'}`: {error} Nothing was submitted."
        ) from error


def _read_drawn(path: Path, *, allow_files: bool) -> str:
    if not allow_files:
        raise UsageError("this is a file of this machine; only run lengths and `boxes` are taken here.")
    return ask_for_drawn(read_regular(path, MOST_MASK_BYTES))


def _read_boxes(boxes: object) -> list[Box]:
    if not isinstance(boxes, list):
        raise UsageError("a list of boxes is expected, such as [[10, 20, 300, 80]].")
    if boxes and not isinstance(boxes[0], list | str):
        boxes = [boxes]
    return [read_box(box if isinstance(box, str) else ",".join(map(str, box))) for box in boxes]


def _read_list(row: dict[str, Any], key: str, where: str) -> tuple[int, ...] | None:
    return None if row.get(key) is None else read_elements(row[key], f"{where}, `{key}`")
