"""Parquet files, a batch of rows at a time; needs the extra `parquet`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import UsageError
from core.machine import memory_limit

if TYPE_CHECKING:
    import pyarrow.parquet

NAME = "parquet"
MAGIC = b"PAR1"
ROOT = Path(__file__).resolve().parents[2]
_NOTHING = " Nothing was submitted."
MOST_MEMORY = 300_000_000
SHARE_OF_MEMORY = 0.35
"""Of what this process and its like may take."""


def open_parquet(path: Path) -> "pyarrow.parquet.ParquetFile":
    """Return an open Parquet file.

    Raises:
        UsageError: The package that reads it is not installed, or it cannot be read.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "Parquet files need the extra `parquet`: pip install 'cleanplate[parquet]', or save it as CSV."
        ) from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path.name} is no Parquet file that can be read: {error}. Nothing was submitted.") from error


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the names of a file's columns.

    Raises:
        UsageError: As `open_parquet`, or it takes more memory than it may.
    """
    names = tuple(next(_read_apart(path, ()), ()))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path.name} has several columns called {', '.join(map(repr, twice[:5]))}; rename them.")
    return names


def read_parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the cells of the named columns as text, row by row; lists become several lines of one cell.

    Raises:
        UsageError: As `columns_of`.
    """
    return _read_apart(path, columns) if columns else iter(())


def _read_apart(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    memory = min(MOST_MEMORY, int(memory_limit() * SHARE_OF_MEMORY))
    child = subprocess.Popen(
        [sys.executable, "-m", "producer.catalogue.parquet_child", str(path.resolve()), str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=str(ROOT),
        # No secret that this process was told.
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), "LANG": "C.UTF-8"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    is_whole = False
    try:
        with suppress(BrokenPipeError), child.stdin:
            child.stdin.write(json.dumps(columns).encode())
        for line in child.stdout:
            row = json.loads(line)
            if isinstance(row, dict):
                if row["is_memory"]:
                    raise _too_much(path, memory)
                raise UsageError(f"{row['error'].removesuffix(_NOTHING)}{_NOTHING}")
            yield row
        is_whole = child.wait() == 0
        if not is_whole:
            raise _too_much(path, memory)
    finally:
        if not is_whole:
            child.kill()
        child.stdout.close()
        child.wait()


def _too_much(path: Path, memory: int) -> UsageError:
    return UsageError(
        f"{path.name} unpacks to more than {memory // 1_000_000} MB at a time, or broke its reader: write it anew with "
        "smaller row groups, or as CSV. Nothing was submitted."
    )


def as_text(value: object) -> str:
    """Return a cell as text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(as_text(part) for part in value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
