"""Reads a Parquet file in a process of its own: what a few bytes unpack to is known only when they are unpacked.

`python -m producer.catalogue.parquet_child FILE MEMORY` takes a JSON list of columns on stdin. It writes one list of
cells a row, or, when no column is named, a list of all there are; and an object with `error` when it cannot.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import UsageError
from producer.catalogue.parquet import as_text, open_parquet
from producer.catalogue.table import LONGEST_CELL

ROWS = 100
MOST_PARTS = 100_000
"""Of the lists in so many rows."""
FEW_ROWS = 100_000
LITTLE_TEXT = 100_000_000
TIMES_THE_FILE = 50
"""So many characters a file may unpack to, or as many as that for each of its bytes."""
KILLED_FIRST = b"800"


def main() -> None:
    """Read, and write what is read to stdout."""
    path, memory = sys.argv[1:]
    columns = json.load(sys.stdin)
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(KILLED_FIRST)
    with suppress(ImportError):
        import pyarrow.parquet  # noqa: F401 - before the limit, as it takes what it takes
    with open("/proc/self/statm", encoding="ascii") as file:
        itself = int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_DATA, (itself + int(memory), resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        for row in _rows(Path(path), columns) if columns else [_names(Path(path))]:
            sys.stdout.write(json.dumps(row) + "\n")
    except UsageError as error:
        _fail(str(error))
    except MemoryError:
        _fail("", is_memory=True)
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        is_memory = type(error).__name__ == "ArrowMemoryError"
        _fail(f"{Path(path).name} is no Parquet file that can be read: {error}.", is_memory=is_memory)


def _fail(error: str, *, is_memory: bool = False) -> None:
    sys.stdout.write(json.dumps({"error": error, "is_memory": is_memory}) + "\n")
    sys.stdout.flush()
    os._exit(0)


def _names(path: Path) -> list[str]:
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def _rows(path: Path, columns: list[str]) -> Iterator[list[str]]:
    with open_parquet(path) as file:
        left = max(LITTLE_TEXT, TIMES_THE_FILE * path.stat().st_size)
        if file.metadata.num_rows > max(FEW_ROWS, path.stat().st_size):
            raise UsageError(f"{path.name} says that it has {file.metadata.num_rows:,} rows, more than bytes.")
        for batch in file.iter_batches(batch_size=ROWS, columns=columns, use_threads=False):
            found = [batch.column(name) for name in columns]
            for column in found:
                _check_lists(path, column)
            values = [[_text(path, value) for value in column] for column in found]
            left -= sum(len(text) for column in values for text in column)
            if left < 0:
                raise UsageError(f"{path.name} unpacks to {TIMES_THE_FILE} times its size and more.")
            yield from (list(row) for row in zip(*values, strict=True))


def _check_lists(path: Path, column: Any) -> None:
    from pyarrow import types

    is_list = types.is_list(column.type) or types.is_large_list(column.type) or types.is_fixed_size_list(column.type)
    if is_list and len(column.flatten()) > MOST_PARTS:
        raise UsageError(f"{path.name} has a list of over {MOST_PARTS:,} parts in {ROWS} rows.")


def _text(path: Path, value: Any) -> str:
    text = as_text(value.as_py())
    if len(text) > LONGEST_CELL:
        raise UsageError(f"{path.name} has a cell of more than {LONGEST_CELL:,} characters.")
    return text


if __name__ == "__main__":
    main()
