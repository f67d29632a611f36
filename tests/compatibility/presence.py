"""Where programs of other people's servers are on this machine, and what happens to a test when one is not."""

import os
import shutil
from pathlib import Path

import pytest

REQUIRED = "COMPATIBILITY"
"""Set to `required` where all of them are installed: a missing one fails its test there, and is skipped elsewhere."""

POSTGRESQL = (Path("/usr/lib/postgresql"), Path("/usr/local/lib/postgresql"))
"""Folders that have a folder for each version: Debian's, and what `.ci/run` fetches besides."""
FAKETIME = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/local/lib/faketime/libfaketime.so.1")


def is_missing(what: str) -> None:
    """End the test that needs it."""
    (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(f"{what} is not installed")


def find_program(name: str) -> Path:
    """Return where a program is; servers are beside what people run."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        is_missing(name)
    return Path(str(found))


def find_postgresql(version: int) -> Path:
    """Return the folder of a version's programs."""
    found = [root / str(version) / "bin" for root in POSTGRESQL]
    here = [folder for folder in found if (folder / "postgres").exists()]
    if not here:
        is_missing(f"PostgreSQL {version}")
    return here[0]


def find_faketime() -> Path:
    """Return the library that tells programs another time."""
    here = [path for pattern in FAKETIME for path in Path("/").glob(pattern.lstrip("/"))]
    if not here:
        is_missing("libfaketime")
    return here[0]
