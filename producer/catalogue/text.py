"""Text files as shops' programs write them: which encoding, which byte order mark."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from core.errors import UsageError

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 4096

_MOSTLY = 0.6
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark it begins with.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes are text.

    Args:
        name: Python's name of the codec; it reads and writes the same bytes.
        mark: The byte order mark the file begins with, or nothing.
    """

    name: str
    mark: bytes = b""


def find_encoding(path: Path) -> Encoding:
    """Return the encoding of a file: what its mark says, else UTF-8, else what shops on Windows write.

    Raises:
        UsageError: The file cannot be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            mark, names = next(
                ((mark, (name,)) for mark, name in _MARKS if head.startswith(mark)), (b"", _without_mark(head))
            )
            file.seek(len(mark))
            if mark == codecs.BOM_UTF8:
                # Some programs put UTF-8's mark before what they write as ever.
                names = ("utf-8", "cp1252")
            candidates = {name: codecs.getincrementaldecoder(name)() for name in names}
            while chunk := file.read(CHUNK_BYTES):
                if b"\0" in chunk and "utf-8" in names:
                    raise UsageError(f"{path.name} is not a text file.")
                candidates = {name: decoder for name, decoder in candidates.items() if _takes(decoder, chunk)}
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}") from error
    whole = next((name for name, decoder in candidates.items() if _takes(decoder, b"", final=True)), None)
    if whole is None and "utf-8" not in names:
        kind = names[0][:6].upper()
        raise UsageError(f"{path.name} is no text: it begins as {kind}, and is cut off or put together from two files.")
    return Encoding(whole or "latin-1", mark)


@contextmanager
def open_text(path: Path, encoding: Encoding) -> Iterator[TextIO]:
    """Open a file's text after its mark, line breaks as they are."""
    with path.open("rb") as binary:
        binary.seek(len(encoding.mark))
        yield io.TextIOWrapper(binary, encoding=encoding.name, newline="")


def _without_mark(head: bytes) -> tuple[str, ...]:
    """Return which encodings text that begins so may have: in UTF-16 and UTF-32 every other byte is nothing."""
    empty = [head[place::4].count(0) * 4 > len(head) * _MOSTLY for place in range(4)]
    match empty:
        case [False, True, True, True]:
            return ("utf-32-le",)
        case [True, True, True, False]:
            return ("utf-32-be",)
        case [False, True, False, True]:
            return ("utf-16-le",)
        case [True, False, True, False]:
            return ("utf-16-be",)
    return ("utf-8", "cp1252")


def _takes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
