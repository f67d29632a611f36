"""Both stores keep the same promises."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from core.errors import CleanplateError, UsageError
from db import artifacts
from db.artifacts import ArtifactStore, FileStore, PostgresStore, open_store, write_whole


@pytest.fixture(params=["postgres", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return open_store("postgres" if request.param == "postgres" else (tmp_path / "a folder").as_uri())


def keep(engine: Engine, store: ArtifactStore, data: bytes) -> str:
    with engine.begin() as connection:
        return artifacts.keep(connection, store, data, image_format="JPEG", width=1, height=2)


def test_what_is_kept_comes_back_once_stored(engine: Engine, store: ArtifactStore) -> None:
    first, second = keep(engine, store, b"picture"), keep(engine, store, b"picture")
    assert first == second
    with engine.connect() as connection:
        assert artifacts.read(connection, first) == b"picture"
        assert connection.execute(text("SELECT count(*), max(size_bytes) FROM artifacts")).one() == (1, 7)


def test_bytes_that_are_gone_are_said_to_be(engine: Engine, tmp_path: Path) -> None:
    sha256 = keep(engine, FileStore(tmp_path), b"picture")
    [path] = (path for path in tmp_path.rglob("*") if path.is_file())
    path.write_bytes(b"another")
    with engine.connect() as connection, pytest.raises(CleanplateError, match="changed"):
        artifacts.read(connection, sha256)
    path.unlink()
    with engine.connect() as connection, pytest.raises(CleanplateError, match="cannot be read"):
        artifacts.read(connection, sha256)


def test_a_rolled_back_transaction_leaves_no_artifact(engine: Engine) -> None:
    with engine.connect() as connection:
        artifacts.keep(connection, PostgresStore(), b"x", image_format="JPEG", width=1, height=1)
        connection.rollback()
        assert connection.execute(text("SELECT count(*) FROM artifacts")).scalar() == 0


@pytest.mark.parametrize("setting", ["", "file://relative/x", "file:///", "s3://bucket", "/folder"])
def test_a_store_that_is_none_is_said(setting: str) -> None:
    with pytest.raises(UsageError, match="ARTIFACT_STORE"):
        open_store(setting)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with pytest.raises(OSError, match="No such file"):
        write_whole(folder / "a", b"x")
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
