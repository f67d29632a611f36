"""Outputs move between stores without a moment in which they are nowhere, and what nobody needs is swept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cli.commands.store import move_all, sweep_all
from core.errors import CleanplateError, UnavailableError
from core.settings import Settings
from db import artifacts, moving, store
from db.artifacts import artifact_key
from db.store import open_store
from db.store.s3 import S3Store
from tests.conftest import BUCKET

PICTURES = [b"one", b"two", b"three"]


def fill(engine: Engine) -> list[str]:
    with engine.begin() as connection:
        return [artifacts.keep(connection, data, image_format="PNG", width=1, height=1) for data in PICTURES]


def uris(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT uri FROM artifacts ORDER BY sha256")).scalars())


def test_there_and_back_again(
    engine: Engine, tmp_path: Path, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "process_settings", lambda: s3_settings)
    sha256s = fill(engine)
    stores = [open_store(each, s3_settings) for each in ("postgres", tmp_path.as_uri(), f"s3://{BUCKET}/moved")]
    for giver, taker in zip(stores, [*stores[1:], stores[0]], strict=True):
        assert move_all(engine, s3_settings, giver, taker) == 3
        assert move_all(engine, s3_settings, giver, taker) == 0
        assert all(taker.holds(uri) for uri in uris(engine))
        assert [artifacts.fetch(engine, sha256) for sha256 in sha256s] == PICTURES
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM artifact_bytes")).scalar_one() == 3


def test_a_move_that_broke_off_goes_on(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None)
    fill(engine)
    giver, taker = open_store("postgres", settings), open_store(tmp_path.as_uri(), settings)
    upload, tries = taker.upload, []

    def break_off(key: str, data: bytes) -> str:
        tries.append(key)
        if len(tries) == 2:
            raise OSError("the disk is full")
        return upload(key, data)

    with monkeypatch.context() as patch:
        patch.setattr(taker, "upload", break_off)
        with pytest.raises(UnavailableError, match="run the same command again"):
            move_all(engine, settings, giver, taker)
    assert sorted(uri.partition(":")[0] for uri in uris(engine)) == ["file", "postgres", "postgres"]
    assert move_all(engine, settings, giver, taker) == 2


def test_what_is_swept_while_it_is_uploaded_again_is_noticed(engine: Engine, s3_settings: Settings) -> None:
    bucket = S3Store(s3_settings, BUCKET, "again")
    uri = bucket.upload(artifact_key("c" * 64, "PNG"), b"x")
    with engine.begin() as worker:
        assert not moving.was_swept(worker, uri, 60)
        # Its transaction is open: the sweep waits for it, and then finds the object used.
        with ThreadPoolExecutor(1) as pool:
            swept = pool.submit(sweep_all, engine, bucket, before=datetime.now(UTC) + timedelta(hours=1))
            with pytest.raises(TimeoutError):
                swept.result(0.3)
            artifacts.keep(worker, b"x", image_format="PNG", width=1, height=1, uri=uri)
            worker.commit()
            assert swept.result(10) == 0
    other = bucket.upload(artifact_key("d" * 64, "PNG"), b"y")
    assert sweep_all(engine, bucket, before=datetime.now(UTC) + timedelta(hours=1)) == 1
    with engine.begin() as worker:
        assert moving.was_swept(worker, other, 60)
        assert not moving.was_swept(worker, other, 0)


def test_an_output_that_moves_while_it_is_read_is_read_where_it_is_now(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(_env_file=None)
    [sha256, *_] = fill(engine)
    stores = [open_store(each, settings) for each in ("postgres", (tmp_path / "a").as_uri(), (tmp_path / "b").as_uri())]
    move_all(engine, settings, stores[0], stores[1])

    def late(uri: str, told: Settings) -> bytes:
        monkeypatch.setattr(artifacts, "load", store.load)
        move_all(engine, settings, stores[1], stores[2])
        return store.load(uri, told)

    monkeypatch.setattr(artifacts, "load", late)
    assert artifacts.fetch(engine, sha256) == PICTURES[0]


def test_only_what_nobody_needs_and_is_old_is_swept(engine: Engine, s3_settings: Settings) -> None:
    bucket = S3Store(s3_settings, BUCKET, "swept")
    [used, orphan] = [bucket.upload(artifact_key(letter * 64, "PNG"), b"x") for letter in "ab"]
    with engine.begin() as connection:
        artifacts.keep(connection, b"x", image_format="PNG", width=1, height=1, uri=used)
    now = datetime.now(UTC)
    assert sweep_all(engine, bucket, before=now - timedelta(hours=1)) == 0
    assert sweep_all(engine, bucket, before=now + timedelta(hours=1)) == 1
    assert [found.uri for found in bucket.list_all()] == [used]
    assert orphan != used


def test_a_store_that_takes_nothing_says_why(s3_settings: Settings, tmp_path: Path) -> None:
    for good in ("postgres", (tmp_path / "new").as_uri(), f"s3://{BUCKET}/p"):
        open_store(good, s3_settings).check()
    (tmp_path / "file").write_text("x")
    for bad, words in (
        ((tmp_path / "file" / "f").as_uri(), "takes no outputs"),
        ("s3://no-such-bucket/p", "cannot be used"),
    ):
        with pytest.raises(CleanplateError, match=words):
            open_store(bad, s3_settings).check()
