"""`failed.csv`: photos that did not make it, as a table that can be handed in again."""

import csv
from collections.abc import Iterable
from typing import TextIO

from producer.catalogue.shape import Shape

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _bare(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell


COLUMNS = ("image_url", "sku", "job", "state", "code", "message", "elements", "subject_elements", "mask")
FAILURES = Shape(
    name="failed",
    marks=(frozenset(COLUMNS),),
    image_columns=("image_url",),
    sku_columns=("sku",),
    option_columns=("elements", "subject_elements", "mask"),
    sku_of=_bare,
)


def write_failures(out: TextIO, rows: Iterable[tuple[object, ...]]) -> int:
    """Write a table of `COLUMNS` and return how many rows it has.

    Args:
        out: Opened with `newline=""`.
        rows: Values in the order of the columns; None for an empty cell.
    """
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        writer.writerow([*row[:1], *("" if cell is None else guarded(str(cell)) for cell in row[1:])])
        count += 1
    return count


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
