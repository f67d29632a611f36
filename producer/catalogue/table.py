"""Tables of rows and columns, parted by commas, tabs, semicolons or bars, read as a stream."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TextIO

from core.errors import UsageError
from producer.catalogue.assembler import Assembler
from producer.catalogue.header import ROWS_READ, find_header, names_photo
from producer.catalogue.text import Encoding, find_encoding, open_text

DELIMITERS = ",\t;|"
LONGEST_CELL = 1_000_000
LONGEST_RECORD = 5_000_000
MOST_CELLS = 200_000
_SEPARATOR = re.compile(r'"?sep=([,;|\t])"?[;,|\t]*\r?\n', re.IGNORECASE)
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
        before: How many records come before the header; -1 when there is none, and the first is a row like others.
    """

    path: Path
    encoding: Encoding
    delimiter: str
    header: tuple[str, ...]
    before: int = 0


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
    best = (False, 1)
    found: Table | None = None
    # Excel's own line, which says what is between the cells.
    told = _SEPARATOR.match(head)
    for delimiter in told[1] if told else DELIMITERS:
        records = _first_records(head, delimiter)
        number = find_header(records[1:], known) + 1 if told else find_header(records, known)
        columns = tuple(records[number]) if number < len(records) else ()
        # A header may hold more of another delimiter, but then its rows do not.
        later = [len(record) for record in records[number + 1 :] if record]
        rank = (2 * later.count(len(columns)) >= len(later), len(columns))
        if len(columns) > 1 and rank > best:
            best, found = rank, Table(path, encoding, delimiter, columns, number)
            if number == 0 and names_photo(columns):
                names = tuple(f"column {place}" for place in range(1, len(columns) + 1))
                found = replace(found, header=names, before=-1)
    if found is not None:
        return found
    alone = next(iter(head[told.end() if told else 0 :].splitlines()), "").strip().strip('"')
    # Parted by tabs, so that an URL with a comma in it is whole without quotes.
    return Table(path, encoding, "\t", (alone,), 1 if told else 0) if alone.lower() in known else None


def _first_records(head: str, delimiter: str) -> list[list[str]]:
    records: list[list[str]] = []
    with suppress(csv.Error):
        records.extend(islice(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), ROWS_READ))
    return records


def read_rows(table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each row after the header; the number is that of the row's last line.

    Raises:
        UsageError: A quote is never closed, or the file cannot be read.
    """
    lines: list[str] = []
    last = lines

    def watched(file: TextIO) -> Iterator[str]:
        chars = cells = 0
        while line := file.readline(LONGEST_RECORD + 1):
            if not lines:
                chars = cells = 0
            chars, cells = chars + len(line), cells + line.count(table.delimiter)
            if chars > LONGEST_RECORD or cells > MOST_CELLS:
                raise UsageError(
                    f"{table.path.name}: a record is longer than {LONGEST_RECORD:,} characters or has more than "
                    f"{MOST_CELLS:,} cells. Is a quote never closed? Nothing was submitted."
                )
            lines.append(line)
            yield line

    with open_text(table.path, table.encoding) as file:
        reader = csv.reader(watched(file), delimiter=table.delimiter)
        try:
            for _ in range(table.before + 1):
                next(reader, None)
            for row in reader:
                last, lines = lines, []
                if row:
                    yield reader.line_num, row
            _require_closed(table, last)
        except csv.Error as error:
            raise UsageError(
                f"{table.path.name}, near line {reader.line_num}: {error}. Is a quote never closed? "
                "Nothing was submitted."
            ) from error
        except OSError as error:
            raise UsageError(f"Cannot read {table.path}: {error.strerror}") from error


def _require_closed(table: Table, lines: list[str]) -> None:
    """Refuse a file whose last record is cut off within quotes, with all the rows that it swallowed."""
    assembler = Assembler(table.delimiter)
    for line in lines:
        assembler.take(line)
    if assembler.rest() is not None:
        raise UsageError(
            f"{table.path.name}: a quote is not closed in the last record, which is {len(lines)} lines long and begins "
            f"with {lines[0][:60].strip()!r}. Nothing was submitted."
        )
