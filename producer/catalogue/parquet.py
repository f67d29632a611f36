"""Parquet files, a batch of rows at a time; needs the extra `parquet`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow.parquet

NAME = "parquet"
MAGIC = b"PAR1"
ROWS = 1000


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
        UsageError: As `open_parquet`.
    """
    with open_parquet(path) as file:
        names = tuple(file.schema_arrow.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path.name} has several columns called {', '.join(map(repr, twice[:5]))}; rename them.")
    return names


def read_parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the cells of the named columns as text, row by row; lists become several lines of one cell.

    Raises:
        UsageError: As `open_parquet`.
    """
    with open_parquet(path) as file:
        for batch in file.iter_batches(batch_size=ROWS, columns=list(columns)):
            values = [batch.column(name).to_pylist() for name in columns]
            for row in zip(*values, strict=True):
                yield [as_text(value) for value in row]


def as_text(value: object) -> str:
    """Return a cell as text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(as_text(part) for part in value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
