"""A text file with one photo URL a line; empty lines and lines that start with # are passed over."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from core.errors import UsageError
from producer.catalogue.item import Item, name_from_url
from producer.catalogue.lines import read_lines

# What a million lines look like; all others are looked at closely.
_USUAL = re.compile(r"https?://[A-Za-z0-9.-]+(/[!-~]*)?")


def read_url_list(path: Path) -> Iterator[Item]:
    """Yield one item a URL.

    Raises:
        UsageError: A line is no http(s) URL; the message has its number.
    """
    for number, line in read_lines(path):
        if not line.startswith("#"):
            yield Item(uri=check_url(line, f"{path.name}, line {number}"), name=name_from_url(line))


def check_url(value: str, where: str) -> str:
    """Return the URL, or raise UsageError when it cannot be one."""
    if _USUAL.fullmatch(value):
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in value):
        raise UsageError(f"{where}: {value[:120]!r} is no http or https URL. Nothing was submitted.")
    return value
