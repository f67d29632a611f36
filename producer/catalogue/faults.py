"""Rows that name no photo: each ends as a job with its reason, and the others run."""

from core.errors import UsageError
from producer.catalogue.item import Item, storable

CODE = "unreadable_row"
LONGEST_MESSAGE = 500


def faulty(number: int, error: UsageError | str) -> Item:
    """Return what stands for a row that cannot be read.

    Args:
        number: Of its line.
        error: What is wrong with it, and where.
    """
    message = storable(str(error)).removesuffix(" Nothing was submitted.")
    # It leads nowhere, so that a job that is sent round again cannot be called for.
    return Item(uri=f"line:{number}", name=f"line {number}", fault=message[:LONGEST_MESSAGE])
