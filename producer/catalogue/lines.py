"""Text files, line by line, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import UsageError
from producer.catalogue.text import find_encoding, open_text

LONGEST_LINE = 1_000_000


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of each line that is not empty; a byte order mark is passed over.

    Raises:
        UsageError: The file cannot be read, is no text, or has a line without end.
    """
    encoding = find_encoding(path)
    number = 0
    try:
        with open_text(path, encoding) as file:
            while line := file.readline(LONGEST_LINE):
                number += 1
                if len(line) == LONGEST_LINE:
                    raise UsageError(f"{path.name}, line {number} is longer than {LONGEST_LINE} characters.")
                if stripped := line.strip():
                    yield number, stripped
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} is no text (near line {number + 1}). Nothing was submitted.") from error
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}") from error
