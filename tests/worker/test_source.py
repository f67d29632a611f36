"""Reading sources: how much, and how many large ones at once."""

import threading
from pathlib import Path

import pytest

from core.errors import SourceRefused
from tests.removal.loopback import Talk, serving
from worker import source
from worker.fetch import Fetcher
from worker.source import LARGE_AT_ONCE, read_source, room_for_large

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
    asked: list[bool] = []
    (tmp_path / "a.png").write_bytes(bytes(size))
    read = read_source((tmp_path / "a.png").as_uri(), fetcher, max_bytes=5000, room=lambda: asked.append(True))
    assert len(read.data) == size
    assert asked == ([True] if size > 1000 else [])


def test_a_large_photo_is_fetched_once_there_is_room(fetcher: Fetcher) -> None:
    asked: list[bool] = []
    with serving(answer_all) as server:
        read = read_source(server.url, fetcher, max_bytes=5000, room=lambda: asked.append(True))
        fetcher.close()
    assert read.data == LARGE
    assert asked == [True]


@pytest.mark.parametrize(("max_bytes", "words"), [(None, "the API takes"), (1500, "that is read")])
def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, fetcher: Fetcher, max_bytes: int | None, words: str
) -> None:
    (tmp_path / "a.png").write_bytes(LARGE)
    with room_for_large() as room, pytest.raises(SourceRefused, match=words) as caught:
        read_source((tmp_path / "a.png").as_uri(), fetcher, max_bytes=max_bytes, room=room)
    assert caught.value.code == "too_many_bytes"


def test_there_is_room_for_so_many_and_it_is_given_back() -> None:
    taken, leave, late = threading.Barrier(LARGE_AT_ONCE + 1), threading.Event(), threading.Event()

    def hold() -> None:
        with room_for_large() as room:
            room()
            room()
            taken.wait(5)
            leave.wait(5)

    def come_late() -> None:
        with room_for_large() as room:
            room()
            late.set()

    threads = [threading.Thread(target=hold) for _ in range(LARGE_AT_ONCE)]
    for thread in threads:
        thread.start()
    taken.wait(5)
    threads.append(threading.Thread(target=come_late))
    threads[-1].start()
    assert not late.wait(0.05)
    leave.set()
    assert late.wait(5)
    for thread in threads:
        thread.join()
