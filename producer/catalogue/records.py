"""A table's records with the very characters each cell was written in, so that one cell can be changed and no other.

`table.read_rows` gives the same cells, faster, when nothing is to be written back.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import UsageError
from producer.catalogue.table import LONGEST_CELL, Table
from producer.catalogue.text import open_text

_CLOSED = re.compile(r'"(?:[^"]|"")*+"')


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a table.

    Args:
        raw: Its cells as written, quotes included.
        end: What ends it: a line break, or nothing at the end of the file.
    """

    raw: tuple[str, ...]
    end: str


def read_records(table: Table) -> Iterator[Record]:
    """Yield every record of a table's file, its header first; joined they are the file after its mark.

    What comes after a quote that is never closed is one record of one cell.

    Raises:
        UsageError: A record is longer than any cell may be.
    """
    cell = re.compile(rf'"(?:[^"]|"")*+"[^{re.escape(table.delimiter)}\r\n]*|[^{re.escape(table.delimiter)}\r\n]*')
    with open_text(table.path, table.encoding) as file:
        text = ""
        for line in file:
            text += line
            record = _split(text, cell, table.delimiter)
            if record is not None:
                yield record
                text = ""
            elif len(text) > LONGEST_CELL:
                raise UsageError(f"{table.path.name}: a quote is never closed.")
        if text:
            yield Record((text,), "")


def value_of(raw: str) -> str:
    """Return what a cell as written says."""
    quoted = _CLOSED.match(raw)
    return raw if quoted is None else quoted[0][1:-1].replace('""', '"') + raw[quoted.end() :]


def written(value: str, raw: str, delimiter: str) -> str:
    """Return a cell with another value, quoted as it was before, or because it has to be."""
    if raw.startswith('"') or any(character in value for character in (delimiter, '"', "\r", "\n")):
        return '"' + value.replace('"', '""') + '"'
    return value


def _split(text: str, cell: re.Pattern[str], delimiter: str) -> Record | None:
    """Return the one record that a text is, or None while it is cut off within quotes."""
    raw = []
    at = 0
    while True:
        found = cell.match(text, at)
        assert found is not None
        if found[0].startswith('"') and not _CLOSED.match(found[0]):
            return None
        raw.append(found[0])
        at = found.end()
        if at == len(text) or text[at] != delimiter:
            return Record(tuple(raw), text[at:])
        at += 1
