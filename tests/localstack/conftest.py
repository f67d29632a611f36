"""A home of its own for each test, and eyes for processes."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localstack.embedded import EmbeddedPostgres
from localstack.place import find_place, remove_place
from tests.servers import make_server_home

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Yield a home that does not exist yet; whatever is made of it is deleted."""
    folder = tmp_path / "home"
    yield folder
    remove_place(folder)


@pytest.fixture(scope="session")
def first_cluster() -> Iterator[Path]:
    """Yield the folder of what initdb makes, to copy: running it takes longer than what most tests do with it."""
    home = make_server_home()
    folder, uid = home / "made", find_place(home).uid
    folder.mkdir(mode=0o700)
    os.chown(folder, uid, -1)
    EmbeddedPostgres(home, settings=FAST)._run_initdb(folder)
    yield folder
    shutil.rmtree(home)


@pytest.fixture(autouse=True)
def clusters_are_copied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, first_cluster: Path) -> None:
    """Give servers of this process a copy of a new cluster, unless a test is about making it."""
    if "initdb" in request.keywords:
        return

    def copy(_: EmbeddedPostgres, folder: Path) -> None:
        subprocess.run(["cp", "-a", f"{first_cluster}/.", str(folder)], check=True)

    monkeypatch.setattr(EmbeddedPostgres, "_run_initdb", copy)


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something to come true, or fail."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s"
        pause.wait(0.02)
