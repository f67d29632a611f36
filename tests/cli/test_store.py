"""Outputs move between stores without a moment in which they are nowhere, and what nobody needs is swept."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from core.errors import CleanplateError, StoreUnavailable, UnavailableError
from core.settings import Settings
from db import artifacts, placements, store, sweeping
from db.artifacts import artifact_key
from db.session import transact
from db.store import open_store
from db.store.s3 import S3Store
from db.sweeping import Uploaded, find_tombstone, upload
from exporting.stores import move_all, sweep_all
from tests.conftest import BUCKET

PICTURES = [b"one", b"two", b"three"]


def fill(engine: Engine) -> list[str]:
    with engine.begin() as connection:
        return [artifacts.keep(connection, data, image_format="PNG", width=1, height=1) for data in PICTURES]


def uris(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT uri FROM artifacts ORDER BY sha256")).scalars())


def sweep_now(engine: Engine, bucket: S3Store) -> int:
    """Sweep as if all objects were a day old."""
    return sweep_all(engine, bucket, before=datetime.now(UTC) + timedelta(hours=1))


def write_down(engine: Engine, bucket: S3Store, data: bytes) -> str:
    """Upload an output and write down where it is, as a worker does; return its hash."""
    sha256 = hashlib.sha256(data).hexdigest()
    uploaded = upload(partial(transact, engine), bucket, artifact_key(sha256, "PNG"), data)
    with engine.begin() as worker:
        return artifacts.keep(worker, data, image_format="PNG", width=1, height=1, uploaded=uploaded)


def test_there_and_back_again(
    engine: Engine, tmp_path: Path, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "process_settings", lambda: s3_settings)
    sha256s = fill(engine)
    stores = [open_store(each, s3_settings) for each in ("postgres", tmp_path.as_uri(), f"s3://{BUCKET}/moved")]
    for giver, taker in zip(stores, [*stores[1:], stores[0]], strict=True):
        assert move_all(engine, giver, taker) == 3
        assert move_all(engine, giver, taker) == 0
        assert all(taker.holds(uri) for uri in uris(engine))
        assert [artifacts.fetch(engine, sha256) for sha256 in sha256s] == PICTURES
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM artifact_bytes")).scalar_one() == 3


def test_a_move_that_broke_off_goes_on(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None)
    fill(engine)
    giver, taker = open_store("postgres", settings), open_store(tmp_path.as_uri(), settings)
    put, tries = taker.upload, []

    def break_off(key: str, data: bytes) -> str:
        tries.append(key)
        if len(tries) == 2:
            raise OSError("the disk is full")
        return put(key, data)

    with monkeypatch.context() as patch:
        patch.setattr(taker, "upload", break_off)
        with pytest.raises(UnavailableError, match="run the same command again"):
            move_all(engine, giver, taker)
    assert sorted(uri.partition(":")[0] for uri in uris(engine)) == ["file", "postgres", "postgres"]
    assert move_all(engine, giver, taker) == 2


def test_what_is_swept_while_it_is_uploaded_again_is_noticed(engine: Engine, s3_settings: Settings) -> None:
    bucket = S3Store(s3_settings, BUCKET, "again")
    uploaded = upload(partial(transact, engine), bucket, artifact_key("c" * 64, "PNG"), b"x")
    with engine.begin() as worker:
        artifacts.keep(worker, b"x", image_format="PNG", width=1, height=1, uploaded=uploaded)
        # Its transaction is open: the sweep waits for it, and then finds the object used.
        with ThreadPoolExecutor(1) as pool:
            swept = pool.submit(sweep_now, engine, bucket)
            with pytest.raises(TimeoutError):
                swept.result(0.3)
            worker.commit()
            assert swept.result(60) == 0
    other = upload(partial(transact, engine), bucket, artifact_key("d" * 64, "PNG"), b"y")
    assert sweep_now(engine, bucket) == 1
    with engine.begin() as worker:
        with pytest.raises(StoreUnavailable):
            sweeping.must_stand(worker, other)
        sweeping.must_stand(worker, Uploaded(other.uri, find_tombstone(worker, other.uri)))


def test_what_a_lost_sweep_was_about_to_delete_is_taken_again_after_a_while(engine: Engine) -> None:
    uri = f"s3://{BUCKET}/left/x.png"

    def uploaded_now(connection: Connection) -> Uploaded:
        return Uploaded(uri, find_tombstone(connection, uri))

    with engine.begin() as connection:
        first = sweeping.open_tombstone(connection, uri)
        assert first is not None
        # While it may still be deleted nobody writes it down, and no other sweep has a hand in it.
        assert sweeping.open_tombstone(connection, uri) is None
        early = uploaded_now(connection)
        with pytest.raises(StoreUnavailable):
            sweeping.must_stand(connection, early)
    with engine.begin() as connection:
        old = text("UPDATE swept_objects SET swept_at = swept_at - make_interval(secs => :grace)")
        connection.execute(old, {"grace": sweeping.GRACE_SECONDS})
        sweeping.must_stand(connection, uploaded_now(connection))
        with pytest.raises(StoreUnavailable):
            sweeping.must_stand(connection, early)
    with engine.begin() as connection:
        second = sweeping.open_tombstone(connection, uri)
        assert second is not None
        # The first one, which thaws, does not close what is the second's.
        sweeping.close_tombstone(connection, first)
        during = uploaded_now(connection)
        with pytest.raises(StoreUnavailable):
            sweeping.must_stand(connection, during)
        sweeping.close_tombstone(connection, second)
        with pytest.raises(StoreUnavailable):
            sweeping.must_stand(connection, during)
        sweeping.must_stand(connection, uploaded_now(connection))


def test_a_sweep_that_stood_still_deletes_nothing(
    engine: Engine, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = S3Store(s3_settings, BUCKET, "frozen")
    uri = bucket.upload(artifact_key("e" * 64, "PNG"), b"x")
    monkeypatch.setattr(sweeping, "MOST_DELAY_SECONDS", -1.0)
    with pytest.raises(UnavailableError, match="stood still"):
        sweep_now(engine, bucket)
    assert [found.uri for found in bucket.list_all()] == [uri]


def test_an_output_that_moves_while_it_is_read_is_read_where_it_is_now(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(_env_file=None)
    [sha256, *_] = fill(engine)
    stores = [open_store(each, settings) for each in ("postgres", (tmp_path / "a").as_uri(), (tmp_path / "b").as_uri())]
    move_all(engine, stores[0], stores[1])

    def late(uri: str, told: Settings) -> bytes:
        monkeypatch.setattr(artifacts, "load", store.load)
        move_all(engine, stores[1], stores[2])
        return store.load(uri, told)

    monkeypatch.setattr(artifacts, "load", late)
    assert artifacts.fetch(engine, sha256) == PICTURES[0]


def test_a_sweep_whose_sessions_end_deletes_nothing_that_was_written_down(
    engine: Engine, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "process_settings", lambda: s3_settings)
    bucket, data_of = S3Store(s3_settings, BUCKET, "lost"), {}
    for data in PICTURES:
        data_of[bucket.upload(artifact_key(hashlib.sha256(data).hexdigest(), "PNG"), data)] = data
    delete, kept = bucket.delete, []

    def end_sessions_and_write_down(uri: str) -> None:
        monkeypatch.setattr(bucket, "delete", delete)
        with engine.connect() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            connection.execute(text(others + "AND pid <> pg_backend_pid() AND application_name = 'cleanplate'"))
        for other in sorted(data_of, key=uri.__eq__):
            try:
                kept.append(write_down(engine, bucket, data_of[other]))
            except StoreUnavailable:
                assert other == uri
        delete(uri)

    monkeypatch.setattr(bucket, "delete", end_sessions_and_write_down)
    with suppress(UnavailableError):
        sweep_now(engine, bucket)
    assert len(kept) == 2
    assert sorted(artifacts.fetch(engine, sha256) for sha256 in kept) == sorted(
        data for uri, data in data_of.items() if hashlib.sha256(data).hexdigest() in kept
    )
    # What was being deleted is taken once that is over.
    for data in PICTURES:
        assert artifacts.fetch(engine, write_down(engine, bucket, data)) == data


def test_what_an_interrupted_move_left_is_swept_under_the_next_and_not_lost(
    engine: Engine, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "process_settings", lambda: s3_settings)
    sha256s = fill(engine)
    giver, taker = open_store("postgres", s3_settings), S3Store(s3_settings, BUCKET, "interrupted")
    place, put = placements.place, taker.upload

    def interrupt(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(placements, "place", interrupt)
    with pytest.raises(KeyboardInterrupt):
        move_all(engine, giver, taker)
    monkeypatch.setattr(placements, "place", place)

    def upload_and_sweep(key: str, data: bytes) -> str:
        uri = put(key, data)
        monkeypatch.setattr(taker, "upload", put)
        # It listed the object before, as a day old.
        assert sweep_now(engine, taker) == 1
        return uri

    monkeypatch.setattr(taker, "upload", upload_and_sweep)
    assert move_all(engine, giver, taker) == 3
    assert [artifacts.fetch(engine, sha256) for sha256 in sha256s] == PICTURES


def test_two_moves_in_opposite_directions_lose_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(_env_file=None)
    sha256s = fill(engine)
    here, there = (open_store((tmp_path / name).as_uri(), settings) for name in ("here", "there"))
    move_all(engine, open_store("postgres", settings), here)
    delete = here.delete

    def move_back_and_delete(uri: str) -> None:
        monkeypatch.setattr(here, "delete", delete)
        with suppress(UnavailableError):
            move_all(engine, there, here)
        delete(uri)

    monkeypatch.setattr(here, "delete", move_back_and_delete)
    move_all(engine, here, there)
    assert [artifacts.fetch(engine, sha256) for sha256 in sha256s] == PICTURES


def test_only_what_nobody_needs_and_is_old_is_swept(engine: Engine, s3_settings: Settings) -> None:
    bucket = S3Store(s3_settings, BUCKET, "swept")
    keys = [artifact_key(letter * 64, "PNG") for letter in "ab"]
    used, orphan = (upload(partial(transact, engine), bucket, key, b"x") for key in keys)
    with engine.begin() as connection:
        artifacts.keep(connection, b"x", image_format="PNG", width=1, height=1, uploaded=used)
    now = datetime.now(UTC)
    assert sweep_all(engine, bucket, before=now - timedelta(hours=1)) == 0
    assert sweep_all(engine, bucket, before=now + timedelta(hours=1)) == 1
    assert [found.uri for found in bucket.list_all()] == [used.uri]
    assert orphan.uri != used.uri


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
