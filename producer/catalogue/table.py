"""Tables of rows and columns, parted by commas, tabs, semicolons or bars, read as a stream."""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError
from producer.catalogue.text import Encoding, find_encoding, open_text

DELIMITERS = ",\t;|"
LONGEST_CELL = 1_000_000
HEADER_BYTES = 1_000_000

csv.field_size_limit(LONGEST_CELL)


@dataclass(frozen=True, slots=True)
class Table:
    """How a table's file is to be read.

    Args:
        path: The file.
        encoding: Of its text.
        delimiter: Between its cells.
        header: The names of its columns, as written.
    """

    path: Path
    encoding: Encoding
    delimiter: str
    header: tuple[str, ...]


def open_table(path: Path, known: Collection[str] = ()) -> Table | None:
    """Return how to read a file as a table; None when its first line has no second column.

    Args:
        path: The file.
        known: Names of columns, in lower case, any of which may stand alone.

    Raises:
        UsageError: It cannot be read, or is no text.
    """
    encoding = find_encoding(path)
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)[len(encoding.mark) :].decode(encoding.name, "ignore")
    best: tuple[str, ...] = ()
    found = ""
    for delimiter in DELIMITERS:
        try:
            columns = tuple(next(csv.reader(_lines(head), delimiter=delimiter), []))
        except csv.Error:
            continue
        if len(columns) > max(1, len(best)):
            best, found = columns, delimiter
    if found:
        return Table(path, encoding, found, best)
    alone = next(iter(head.splitlines()), "").strip().strip('"')
    # Parted by tabs, so that an URL with a comma in it is whole without quotes.
    return Table(path, encoding, "\t", (alone,)) if alone.lower() in known else None


def read_rows(table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each row after the header; the number is that of the row's last line.

    Raises:
        UsageError: A quote is never closed, or the file cannot be read.
    """
    with open_text(table.path, table.encoding) as file:
        reader = csv.reader(file, delimiter=table.delimiter)
        try:
            next(reader, None)
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise UsageError(
                f"{table.path.name}, near line {reader.line_num}: {error}. Is a quote never closed? "
                "Nothing was submitted."
            ) from error
        except OSError as error:
            raise UsageError(f"Cannot read {table.path}: {error.strerror}") from error


def _lines(text: str) -> Iterator[str]:
    yield from text.splitlines(keepends=True)
