"""Putting a table's records together from its lines, with the very characters each cell was written in."""

import re
from dataclasses import dataclass

CLOSED = re.compile(r'"(?:[^"]|"")*+"')
_CLOSING = re.compile(r'(?:[^"]|"")*+"')


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a table.

    Args:
        raw: Its cells as written, quotes included.
        end: What ends it: a line break, or nothing at the end of the file.
    """

    raw: tuple[str, ...]
    end: str


class Assembler:
    """Takes lines and gives records; looks at every character once.

    Args:
        delimiter: Between cells.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._bare = re.compile(rf"[^{re.escape(delimiter)}\r\n]*")
        self._raw: list[str] = []
        self._open: list[str] = []
        self.open_chars = 0
        """Of a cell whose quote is not closed yet."""

    def take(self, line: str) -> Record | None:
        """Return the record that a line ends, or None while one of its quotes is open."""
        at = self._close(line) if self._open else self._begin(line, 0)
        while at is not None and line.startswith(self._delimiter, at):
            at = self._begin(line, at + 1)
        if at is None:
            return None
        record = Record(tuple(self._raw), line[at:])
        self._raw = []
        return record

    def rest(self) -> Record | None:
        """Return what there is of a record whose quote is still open at the end of the file, if there is one."""
        return Record((*self._raw, "".join(self._open)), "") if self._open else None

    def _begin(self, line: str, at: int) -> int | None:
        """Take the cell that begins there and return where it ends; None when it goes on in the next line."""
        if not line.startswith('"', at):
            return self._finish(line, at, at)
        quoted = CLOSED.match(line, at)
        if quoted is not None:
            return self._finish(line, at, quoted.end())
        self._open = [line[at:]]
        self.open_chars = len(line) - at
        return None

    def _close(self, line: str) -> int | None:
        closing = _CLOSING.match(line)
        self.open_chars += len(line)
        if closing is None:
            self._open.append(line)
            return None
        before, self._open, self.open_chars = "".join(self._open), [], 0
        return self._finish(line, 0, closing.end(), before)

    def _finish(self, line: str, begin: int, at: int, before: str = "") -> int:
        found = self._bare.match(line, at)
        end = found.end() if found is not None else at
        self._raw.append(before + line[begin:end])
        return end
