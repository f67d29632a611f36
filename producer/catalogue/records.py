"""A table's records with the very characters each cell was written in, so that one cell can be changed and no other.

`table.read_rows` gives the same cells, faster, when nothing is to be written back.
"""

from collections.abc import Iterator

from core.errors import UsageError
from producer.catalogue.assembler import CLOSED, Assembler, Record
from producer.catalogue.table import LONGEST_CELL, Table
from producer.catalogue.text import open_text


def read_records(table: Table) -> Iterator[Record]:
    """Yield every record of a table's file, its header first; joined they are the file after its mark.

    What comes after a quote that is never closed is one cell.

    Raises:
        UsageError: A cell is longer than any may be.
    """
    assembler = Assembler(table.delimiter)
    with open_text(table.path, table.encoding) as file:
        for line in file:
            record = assembler.take(line)
            if record is not None:
                yield record
            elif assembler.open_chars > LONGEST_CELL:
                raise UsageError(f"{table.path.name}: a quote is never closed.")
        rest = assembler.rest()
        if rest is not None:
            yield rest


def value_of(raw: str) -> str:
    """Return what a cell as written says."""
    quoted = CLOSED.match(raw)
    return raw if quoted is None else quoted[0][1:-1].replace('""', '"') + raw[quoted.end() :]


def written(value: str, raw: str, delimiter: str) -> str:
    """Return a cell with another value, quoted as it was before, or because it has to be."""
    if raw.startswith('"') or any(character in value for character in (delimiter, '"', "\r", "\n")):
        return '"' + value.replace('"', '""') + '"'
    return value
