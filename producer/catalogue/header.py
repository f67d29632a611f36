"""Where a table's header is: shops' programs put rows of their own before it."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from producer.catalogue.item import PHOTO_SUFFIXES

ROWS_READ = 12
"""So many records are looked at; a header lies among the first of them."""

# Names that stand in a header only, beside those of the known shapes; compared in lower case.
MARKS = frozenset(
    {
        "main_image_url",
        "main_product_image_locator",
        "picurl",
        "item photo url",
        "photo_url",
        "photo url",
        "picture_url",
        "image1",
        "image 1",
    }
)
_ATTRIBUTE_ROW = re.compile(r"attributeRow=(\d{1,2})(?!\d)")
_URL = re.compile(r"https?://[^/]+/", re.IGNORECASE)
_PATH_END = re.compile(r"[?#]")
_TEMPLATES = ("templatetype=", "settings=")
_AMAZON_ROW = 3
"""Amazon's templates have the names of attributes in their third row, unless they say another."""


def find_header(records: Sequence[Sequence[str]], known: Collection[str]) -> int:
    """Return which of the first records of a table holds the names of its columns.

    Args:
        records: The first ones, empty ones included.
        known: Names of columns that hold photos, in lower case.
    """
    first = records[0][0].strip().lower() if records and records[0] else ""
    if first.startswith(_TEMPLATES):
        told = _ATTRIBUTE_ROW.search(" ".join(records[0]))
        row = int(told[1]) if told else _AMAZON_ROW
        if 0 < row <= len(records):
            return row - 1
    for number, record in enumerate(records):
        cells = {cell.strip().lower() for cell in record}
        if any("://" in cell for cell in cells):
            break
        if number and not _is_above(records[:number], record):
            continue
        # What begins so is a name with more behind it.
        if not cells.isdisjoint(known) or not MARKS.isdisjoint(cell.partition("[")[0] for cell in cells):
            return number
    return 0


def names_photo(record: Sequence[str]) -> bool:
    """Whether the URL of a photo stands in a record, which is no header then."""
    return any(_URL.match(cell.strip()) and _suffix(cell) in PHOTO_SUFFIXES for cell in record)


def _suffix(url: str) -> str:
    return Path(_PATH_END.split(url.strip(), 1)[0]).suffix.lower()


def _is_above(before: Sequence[Sequence[str]], record: Sequence[str]) -> bool:
    """Whether a record may be a header, with titles before it: those have fewer cells, and it names no photo."""
    widest = max((_filled(each) for each in before), default=0)
    return _filled(record) > widest and not any(Path(cell.strip()).suffix.lower() in PHOTO_SUFFIXES for cell in record)


def _filled(record: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in record)
