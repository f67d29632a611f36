"""One file more among the providers."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from removal import providers


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts one file more among the providers."""
    folder = tmp_path / "more_providers"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("another.py"), folder)
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(folder)])
    yield
    sys.modules.pop("removal.providers.another", None)
