"""All stores keep the same promises."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from core.errors import CleanplateError, UsageError
from core.settings import Settings
from db import artifacts
from db.artifacts import artifact_key
from db.session import transact
from db.store import ArtifactStore, open_store
from db.store.folder import write_whole
from db.store.s3 import S3Store
from db.sweeping import upload
from tests.conftest import BUCKET


@pytest.fixture(params=["postgres", "file", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> ArtifactStore:
    monkeypatch.setattr(artifacts, "process_settings", lambda: s3_settings)
    named = {"postgres": "postgres", "file": (tmp_path / "a folder").as_uri(), "s3": f"s3://{BUCKET}/some/where"}
    return open_store(named[request.param], s3_settings)


def keep(engine: Engine, store: ArtifactStore, data: bytes) -> str:
    uploaded = upload(partial(transact, engine), store, artifact_key("ab" * 32, "JPEG"), data)
    with engine.begin() as connection:
        return artifacts.keep(connection, data, image_format="JPEG", width=1, height=2, uploaded=uploaded)


def uri_of(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT uri FROM artifacts")).scalar_one())


def test_what_is_kept_comes_back_once_stored(engine: Engine, store: ArtifactStore) -> None:
    first, second = keep(engine, store, b"picture"), keep(engine, store, b"picture")
    assert first == second
    assert artifacts.fetch(engine, first) == b"picture"
    assert store.holds(uri_of(engine))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*), max(size_bytes) FROM artifacts")).one() == (1, 7)


def test_bytes_that_are_gone_are_said_to_be(engine: Engine, store: ArtifactStore) -> None:
    sha256 = keep(engine, store, b"picture")
    uri = uri_of(engine)
    if not uri.startswith("postgres:"):
        with engine.begin() as connection:
            connection.execute(text("UPDATE artifacts SET sha256 = :other"), {"other": "0" * 64})
        with pytest.raises(CleanplateError, match="changed"):
            artifacts.fetch(engine, "0" * 64)
        with engine.begin() as connection:
            connection.execute(text("UPDATE artifacts SET sha256 = :sha256"), {"sha256": sha256})
    store.delete(uri)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM artifact_bytes"))
    with pytest.raises(CleanplateError, match=r"cannot be read|not in the database"):
        artifacts.fetch(engine, sha256)
    store.delete(uri)


def test_a_bucket_that_takes_nothing_is_a_full_disk(s3_settings: Settings) -> None:
    with pytest.raises(OSError, match="takes nothing"):
        S3Store(s3_settings, "no-such-bucket", "").upload("ab/c.jpg", b"x")


def test_a_rolled_back_transaction_leaves_no_artifact(engine: Engine) -> None:
    with engine.connect() as connection:
        artifacts.keep(connection, b"x", image_format="JPEG", width=1, height=1)
        connection.rollback()
        assert connection.execute(text("SELECT count(*) FROM artifacts")).scalar() == 0


@pytest.mark.parametrize("setting", ["", "file://relative/x", "file:///", "s3://", "gs://bucket", "/folder"])
def test_a_store_that_is_none_is_said(setting: str) -> None:
    with pytest.raises(UsageError, match="ARTIFACT_STORE"):
        open_store(setting, Settings(_env_file=None))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with pytest.raises(OSError, match="No such file"):
        write_whole(folder / "a", b"x")
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
