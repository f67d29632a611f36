"""A text file with one photo URL a line; empty lines and lines that start with # are passed over."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import UsageError
from producer.catalogue.faults import faulty
from producer.catalogue.item import Item, name_from_url
from producer.catalogue.lines import read_lines
from producer.catalogue.typed_url import find_urls, is_url, shown


def read_url_list(path: Path, *, is_strict: bool = False) -> Iterator[Item]:
    """Yield one item a URL; several in a line are several.

    Args:
        path: The file.
        is_strict: Whether a line that is no URL ends it.

    Raises:
        UsageError: A line is no http(s) URL, and it is strict; the message has its number.
    """
    for number, line in read_lines(path):
        if line.startswith("#"):
            continue
        for place in find_urls(line):
            if place.url is not None:
                yield Item(uri=place.url, name=name_from_url(place.url))
                continue
            error = UsageError(_not_a_url(line, f"{path.name}, line {number}"))
            if is_strict:
                raise error
            yield faulty(number, error)


def check_url(value: str, where: str) -> str:
    """Return the URL, or raise UsageError when it cannot be one as it stands."""
    if not is_url(value):
        raise UsageError(_not_a_url(value, where))
    return value


def _not_a_url(value: str, where: str) -> str:
    return f"{where}: {shown(value)!r} is no http or https URL. Nothing was submitted."
