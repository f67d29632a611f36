"""A home of its own for each test, and eyes for processes."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localstack.place import remove_place

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Yield a home that does not exist yet; whatever is made of it is deleted."""
    folder = tmp_path / "home"
    yield folder
    remove_place(folder)


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something to come true, or fail."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s"
        pause.wait(0.02)
