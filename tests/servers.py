"""Where the servers of tests live, and how they are set."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

# Tests throw their data away, so it need not survive a power cut.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
    "shared_buffers": "64MB",
    "max_connections": "100",
}
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2_000_000_000
"""Free ones of memory that are worth using: a new database is three hundred files."""


class Servers(NamedTuple):
    """Where a database with our schema and a Redis are."""

    database_url: str
    redis_url: str


def make_server_home() -> Path:
    """Return a new folder with a short name: a socket's path must be short, and root's folder passable."""
    folder = Path(tempfile.mkdtemp(prefix="cleanplate-tests-", dir=MEMORY if _has_memory() else None))
    folder.chmod(0o711)
    return folder


def _has_memory() -> bool:
    """Whether a folder in memory can be used, and is large enough."""
    return os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES


def claim_stack(folder: Path) -> None:
    """Fail when another process of this run of tests has started the stack that this one is about to start.

    Args:
        folder: What pytest made for it, below this process' own folder.
    """
    if run := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        (folder.parents[1] / f"{folder.name}-{run}").touch(exist_ok=False)
