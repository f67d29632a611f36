"""Several photo URLs in one cell, and what stands between them."""

import re

# Each run of blanks is looked at from its beginning alone, and given back in no part: else a long one takes a square.
_BEFORE_URL = re.compile(r"(?<![\s,;|])([\s,;|]++)(?=https?://)", re.IGNORECASE)
_COMMA = re.compile(r"((?:(?<!\s)\s++)?+,\s*+)")
_PARTS = re.compile(r"([,;|])")


def split_urls(cell: str) -> list[str]:
    """Return a cell's values and what is between them, in turns, beginning with a value; joined it is the cell again.

    URLs may hold commas themselves, so only what comes right before the next `http` parts them.
    """
    return _BEFORE_URL.split(cell)


def split_names(cell: str) -> list[str]:
    """Return the same for values that need not be URLs and are parted by commas."""
    return _COMMA.split(cell)


def split_files(cell: str) -> list[str]:
    """Return the same for names of files, parted by commas, semicolons or bars."""
    return _PARTS.split(cell)
