"""A source that is handed in again: clean as it stands, or not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cli.running import again
from cli.running.again import find_done
from core.content import content_key
from db import batches
from db.tallies import BatchCounts
from photos.fetch import Fetcher
from producer.catalogue.source import identity, read_source
from producer.intake import BatchOptions, submit
from tests.db.rows import put

PROVIDER = "sandbox"
OPTIONS = BatchOptions()
LONG_SECONDS = 8.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three photos."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in "abc":
        (photos / f"{name}.jpg").write_bytes(name.encode())
    return photos


def hand_in(engine: Engine, source: Path, options: BatchOptions = OPTIONS) -> None:
    with engine.begin() as connection:
        submit(connection, read_source(source), name="t", source=identity(source), options=options)
    with engine.begin() as connection:
        put(connection, "succeeded")
        key = content_key(PROVIDER, "ab", options.elements, options.subject_elements, None)
        connection.execute(text("UPDATE jobs SET source_sha256 = 'ab', content_key = :key"), {"key": key})
        batches.finish_settled(connection)


def found(engine: Engine, source: Path, options: BatchOptions = OPTIONS, provider: str = PROVIDER) -> object:
    fetcher = Fetcher(2, 1_000_000, "127.0.0.1")
    with closing(fetcher):
        return find_done(engine, provider, str(source), source / "out", options, fetcher)


def test_a_folder_that_is_clean_as_it_stands(engine: Engine, folder: Path) -> None:
    assert found(engine, folder) is None
    hand_in(engine, folder)
    assert found(engine, folder) == (1, BatchCounts(total=3, succeeded=3))


def test_one_that_waits_for_a_person_needs_no_call_either(engine: Engine, folder: Path) -> None:
    hand_in(engine, folder)
    with engine.begin() as connection:
        put(connection, "held", "id = 2")
    assert found(engine, folder) == (1, BatchCounts(total=3, succeeded=2, held=1))
    # Held before its photo was known, it says nothing of the one that lies there now.
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET content_key = NULL WHERE id = 2"))
    assert found(engine, folder) is None


CHANGES: dict[str, Callable[[Path], object]] = {
    "one is new": lambda folder: (folder / "d.jpg").write_bytes(b"d"),
    "one is gone": lambda folder: (folder / "a.jpg").unlink(),
    "one changed": lambda folder: (folder / "a.jpg").write_bytes(b"other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_changed_is_not(engine: Engine, folder: Path, change: str) -> None:
    hand_in(engine, folder)
    CHANGES[change](folder)
    assert found(engine, folder) is None


@pytest.mark.parametrize("state", ["dead", "pending", "cancelled"])
def test_one_that_is_not_clean_is_enough(engine: Engine, folder: Path, state: str) -> None:
    hand_in(engine, folder)
    with engine.begin() as connection:
        put(connection, state, "id = 2")
    assert found(engine, folder) is None


def test_what_another_provider_made_is_not_clean(engine: Engine, folder: Path) -> None:
    hand_in(engine, folder)
    assert found(engine, folder, provider="another") is None


def test_what_is_to_be_paid_again_or_taken_off_otherwise_is_not_clean(engine: Engine, folder: Path) -> None:
    hand_in(engine, folder)
    for options in (replace(OPTIONS, force=True), replace(OPTIONS, elements=(1,))):
        assert found(engine, folder, options) is None


@pytest.fixture
def served(folder: Path) -> Iterator[Path]:
    """Yield a list of the folder's photos by their URLs."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        urls = folder.parent / "urls.txt"
        urls.write_text("".join(f"http://127.0.0.1:{server.server_port}/{name}.jpg\n" for name in "abc"))
        yield urls
        server.shutdown()
        thread.join()


def hand_in_urls(engine: Engine, served: Path) -> None:
    hand_in(engine, served)
    with engine.begin() as connection:
        for job_id, name in enumerate("abc", 1):
            was = sha256(name.encode()).hexdigest()
            key = content_key(PROVIDER, was, OPTIONS.elements, OPTIONS.subject_elements, None)
            connection.execute(
                text("UPDATE jobs SET source_sha256 = :was, content_key = :key WHERE id = :id"),
                {"was": was, "key": key, "id": job_id},
            )


def test_urls_whose_photos_are_the_same_are_done(engine: Engine, served: Path) -> None:
    hand_in_urls(engine, served)
    assert found(engine, served) == (1, BatchCounts(total=3, succeeded=3))


def test_a_url_whose_photo_changed_or_is_gone_is_not(engine: Engine, served: Path, folder: Path) -> None:
    hand_in_urls(engine, served)
    (folder / "b.jpg").write_bytes(b"other")
    assert found(engine, served) is None
    (folder / "b.jpg").unlink()
    assert found(engine, served) is None


def test_many_urls_are_a_workers_to_fetch(engine: Engine, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in_urls(engine, served)
    monkeypatch.setattr(again, "MOST_FETCHED", 2)
    assert found(engine, served) is None


def test_what_is_looked_at_is_said_first(
    engine: Engine, served: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in_urls(engine, served)
    assert found(engine, served) is not None
    assert capsys.readouterr() == ("", "Looking whether 3 photos at URLs are still the same\u2026\n")
    hand_in(engine, folder)
    assert found(engine, folder) is not None
    assert capsys.readouterr() == ("", "")


def test_slow_urls_are_given_up_together(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answers in time when it is let go, which is after nobody waits for it."""
    monkeypatch.setattr(again, "FETCHED_AT_ONCE", 1)
    monkeypatch.setattr(again, "ALTOGETHER_SECONDS", 1.0)
    let_go = threading.Event()
    asked = threading.Semaphore(0)
    answered: list[str] = []

    class Slow(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.release()
            let_go.wait(LONG_SECONDS)
            answered.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            urls = folder.parent / "slow.txt"
            urls.write_text("".join(f"http://127.0.0.1:{server.server_port}/{name}.jpg\n" for name in "abc"))
            hand_in_urls(engine, urls)
            with closing(Fetcher(LONG_SECONDS * 2, 1_000_000, "127.0.0.1")) as fetcher:
                told = find_done(engine, PROVIDER, str(urls), folder / "out", OPTIONS, fetcher)
                answered_before = list(answered)
        finally:
            let_go.set()
            server.shutdown()
            thread.join()
    assert told is None
    # Not even one was waited for until it answered.
    assert answered_before == []
    assert asked.acquire(blocking=False)
    assert "Looking whether 3 photos at URLs" in capsys.readouterr().err
