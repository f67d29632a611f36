"""`failed.csv`: photos that did not make it, as a table that can be handed in again."""

import csv
from collections.abc import Iterable
from typing import TextIO

from core.shown import cell_for_spreadsheet, cell_of_spreadsheet
from producer.catalogue.shape import Shape

COLUMNS = ("image_url", "sku", "job", "state", "code", "message", "elements", "subject_elements", "mask")
FAILURES = Shape(
    name="failed",
    marks=(frozenset(COLUMNS),),
    image_columns=("image_url",),
    sku_columns=("sku",),
    option_columns=("elements", "subject_elements", "mask"),
    sku_of=cell_of_spreadsheet,
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
        writer.writerow(["" if cell is None else cell_for_spreadsheet(str(cell)) for cell in row])
        count += 1
    return count
