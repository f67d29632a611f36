"""Catalogues that hurt whoever reads them are read or refused, soon and in little memory."""

import time
from pathlib import Path

import pytest

from bench.hostile.tables import KINDS
from core.errors import UsageError
from producer.catalogue.format import Reading, read_catalogue

SOON = [name for name in KINDS if not name.startswith("Parquet")]
"""The others take seconds to be made; `test_parquet.py` has smaller ones."""


def read(path: Path) -> tuple[int, str]:
    """Return how many photos a file names, and why it was refused."""
    try:
        return len(list(read_catalogue(path, Reading()))), ""
    except UsageError as error:
        return 0, str(error)


@pytest.mark.parametrize("name", SOON)
def test_what_hurts_is_read_or_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "catalogue"
    path.write_bytes(KINDS[name]())
    began = time.process_time()
    found, told = read(path)
    assert found < 10
    assert len(told) < 1000, "a message repeats no file"
    # What takes a square of the file needs minutes.
    assert time.process_time() - began < 20
