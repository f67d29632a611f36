"""`failed.csv`: photos that did not make it, as a table that can be handed in again."""

import csv
from collections.abc import Iterable
from typing import TextIO

COLUMNS = ("image_url", "sku", "job", "state", "code", "message")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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
        writer.writerow([*row[:1], *("" if cell is None else _harmless(str(cell)) for cell in row[1:])])
        count += 1
    return count


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
