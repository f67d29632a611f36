"""Reading sources: how much, and how many large ones at once."""

from pathlib import Path

import pytest

from core.errors import SourceRefused
from photos import source
from photos.fetch import Fetcher
from photos.memory import MEMORY
from photos.source import read_source
from tests.removal.loopback import Talk, serving

LARGE = b"x" * 2000


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files over 1,000 bytes for large."""
    monkeypatch.setattr(source, "MAX_BYTES", 1000)


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher(5, 1_000_000, "127.0.0.1")


def answer_all(talk: Talk) -> None:
    while talk.read_request():
        talk.answer(LARGE)


@pytest.mark.parametrize("size", [1000, 1001])
def test_only_large_files_ask_for_room(tmp_path: Path, fetcher: Fetcher, size: int) -> None:
    asked: list[int] = []
    (tmp_path / "a.png").write_bytes(bytes(size))
    read = read_source((tmp_path / "a.png").as_uri(), fetcher, max_bytes=5000, take=asked.append)
    assert len(read.data) == size
    assert asked == ([size] if size > 1000 else [])


def test_a_large_photo_is_fetched_once_there_is_room(fetcher: Fetcher) -> None:
    asked: list[int] = []
    with serving(answer_all) as server:
        read = read_source(server.url, fetcher, max_bytes=5000, take=asked.append)
        fetcher.close()
    assert read.data == LARGE
    assert asked == [5000, len(LARGE)]


@pytest.mark.parametrize(("max_bytes", "words"), [(None, "the API takes"), (1500, "that is read")])
def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, fetcher: Fetcher, max_bytes: int | None, words: str
) -> None:
    (tmp_path / "a.png").write_bytes(LARGE)
    with MEMORY.hold_files() as take, pytest.raises(SourceRefused, match=words) as caught:
        read_source((tmp_path / "a.png").as_uri(), fetcher, max_bytes=max_bytes, take=take)
    assert caught.value.code == "too_many_bytes"
