"""A home of its own for each test, and eyes for processes."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localstack.place import remove_place
from tests.servers import make_server_home

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield a home that does not exist yet; whatever is made of it is deleted.

    In memory where there is some: on a disk, making a cluster takes thrice the time.
    """
    parent = make_server_home()
    folder = parent / "home"
    yield folder
    remove_place(folder)
    shutil.rmtree(parent)


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something to come true, or fail."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s"
        pause.wait(0.02)
