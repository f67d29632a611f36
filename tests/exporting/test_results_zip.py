"""All that a batch came to in one archive: what is in it, what is not, and that it says so."""

import gc
import io
import json
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from core.settings import Settings
from db import listings
from db.batches import BatchRow
from db.listings import PhotoRow
from exporting.folder import Exported, export_photos
from exporting.results_zip import ZipContents, save_zip, write_zip
from exporting.zip_stream import PART_BYTES
from tests.exporting.conftest import Finish, HandIn, picture

URL = "https://shop.example"
PUBLIC = Settings(_env_file=None, web_public_url="https://clean.example")


def zipped(engine: Engine, batch: BatchRow, wanted: ZipContents | None = None) -> dict[str, bytes]:
    data = io.BytesIO(b"".join(write_zip(engine, PUBLIC, batch, wanted or ZipContents())))
    with zipfile.ZipFile(data) as found:
        assert found.testzip() is None
        assert len(set(found.namelist())) == len(found.namelist())
        return {each: found.read(each) for each in found.namelist()}


def photos_of(files: dict[str, bytes]) -> list[str]:
    return [name for name in files if name.endswith((".jpg", ".png")) and not name.startswith("report_files/")]


@pytest.fixture
def batch(hand_in: HandIn) -> BatchRow:
    names = ["a.jpg", "sub/A.jpg", "b.png", "b.png?v=2", "image.php", "held.jpg"]
    return hand_in(("sku,image_url\n" + "".join(f"s,{URL}/{name}\n" for name in names)).encode())


def test_what_is_in_it(engine: Engine, batch: BatchRow, finish: Finish) -> None:
    finish([1, 2, 3, 4, 5])
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET state = 'dead', code = '704', finished_at = now() WHERE id = 6"))
    files = zipped(engine, batch)
    assert photos_of(files) == ["a.jpg", "A-2.jpg", "b.png", "b-2.png", "image.php.jpg"]
    assert [files[name] for name in photos_of(files)] == [picture(number) for number in range(1, 6)]
    assert {"report.html", "report.jsonl", "failed.csv", "products-clean.csv", "CONTENTS.txt"} < files.keys()
    assert "MISSING.txt" not in files
    lines = [json.loads(line) for line in files["report.jsonl"].splitlines()]
    assert [line["file"] for line in lines] == [*photos_of(files), None]
    assert files["products-clean.csv"].count(b"https://clean.example/artifacts/") == 5
    assert f"{URL}/held.jpg".encode() in files["failed.csv"]
    told = files["CONTENTS.txt"].decode()
    assert "5 photos are clean and in here." in told
    assert "1 photo ended without being clean" in told
    assert "5 photo URLs are new, 1 as before" in told
    assert b"report_files/" in files["report.html"]


def test_names_are_those_of_run(engine: Engine, batch: BatchRow, finish: Finish, tmp_path: Path) -> None:
    finish([3, 4, 5])
    exported = [each.path.name for each in export_photos(engine, batch.id, tmp_path) if each.path]
    assert photos_of(zipped(engine, batch)) == exported


def test_a_batch_that_is_partly_done(engine: Engine, batch: BatchRow, finish: Finish) -> None:
    finish([2])
    files = zipped(engine, batch)
    assert photos_of(files) == ["A-2.jpg"]
    assert "Not done yet: 5 photos. Download again later." in files["CONTENTS.txt"].decode()


def test_nothing_done_is_an_archive_that_says_so(engine: Engine, batch: BatchRow) -> None:
    files = zipped(engine, batch)
    assert photos_of(files) == []
    assert "0 photos are clean" in files["CONTENTS.txt"].decode()


def test_an_output_that_is_gone_is_named(engine: Engine, batch: BatchRow, finish: Finish, tmp_path: Path) -> None:
    finish([1, 2, 3])
    kept = tmp_path / "kept.jpg"
    kept.write_bytes(b"changed where it is kept")
    with engine.begin() as connection:
        gone, changed = connection.execute(text("SELECT artifact_sha256 FROM jobs WHERE id < 3 ORDER BY id")).scalars()
        connection.execute(text("DELETE FROM artifact_bytes WHERE sha256 = :sha256"), {"sha256": gone})
        connection.execute(
            text("UPDATE artifacts SET uri = :uri WHERE sha256 = :sha256"), {"sha256": changed, "uri": kept.as_uri()}
        )
    files = zipped(engine, batch)
    assert photos_of(files) == ["b.png"]
    missing = files["MISSING.txt"].decode().splitlines()
    assert [line.partition(": ")[0] for line in missing] == ["a.jpg", "A-2.jpg"]
    assert "2 clean photos could not be read where they are kept: MISSING.txt" in files["CONTENTS.txt"].decode()


def test_who_may_not_see_urls_gets_none(engine: Engine, batch: BatchRow, finish: Finish) -> None:
    finish([1])
    files = zipped(engine, batch, ZipContents(sources=False))
    assert files.keys().isdisjoint({"failed.csv", "products-clean.csv"})
    alone = zipped(engine, batch, ZipContents(photos=False, sources=False))
    assert photos_of(alone) == []
    assert {"report.html", "report.jsonl"} < alone.keys()


def test_a_catalogue_without_public_urls_is_said(engine: Engine, batch: BatchRow) -> None:
    data = io.BytesIO(b"".join(write_zip(engine, Settings(_env_file=None), batch, ZipContents())))
    with zipfile.ZipFile(data) as found:
        assert "products-clean.csv" not in found.namelist()
        assert "WEB_PUBLIC_URL" in found.read("CONTENTS.txt").decode()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../../evil.jpg", "evil.jpg"),
        ("/etc/evil.jpg", "etc/evil.jpg"),
        ("..\\..\\evil.jpg", "evil.jpg"),
        ("C:\\evil.jpg", "C_/evil.jpg"),
        ("sub/con.jpg", "sub/_con.jpg"),
        ("sub/ .. /a\r\nb.jpg", "sub/ab.jpg"),
        ("..", "photo.jpg"),
    ],
)
def test_nothing_is_unpacked_elsewhere(engine: Engine, batch: BatchRow, finish: Finish, name: str, file: str) -> None:
    finish([1])
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET name = :name WHERE id = 1"), {"name": name})
    assert photos_of(zipped(engine, batch)) == [file]


def test_a_large_output_is_sent_in_parts(engine: Engine, batch: BatchRow, finish: Finish) -> None:
    finish([1])
    data = bytes(range(256)) * 20_000
    with engine.begin() as connection:
        connection.execute(text("UPDATE artifact_bytes SET data = :data"), {"data": data})
    parts = list(write_zip(engine, PUBLIC, batch, ZipContents()))
    assert max(map(len, parts)) <= PART_BYTES
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as found:
        assert found.read("a.jpg") == data


def test_it_breaks_off_rather_than_lie(engine: Engine, batch: BatchRow, finish: Finish) -> None:
    finish([1])
    with engine.begin() as connection:
        connection.execute(text("UPDATE artifact_bytes SET data = :data"), {"data": b"x" * 2 * PART_BYTES})
    making = write_zip(engine, PUBLIC, batch, ZipContents())
    for part in making:
        if part.startswith(b"x"):
            break
    with engine.begin() as connection:
        connection.execute(text("UPDATE artifact_bytes SET data = :data"), {"data": b"y" * 2 * PART_BYTES})
    with pytest.raises(Exception, match="was changed while it was sent"):
        list(making)


def test_whoever_lets_go_of_it_leaves_nothing(
    engine: Engine, batch: BatchRow, finish: Finish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "waits").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "waits"))
    finish([1, 2])
    making = write_zip(engine, PUBLIC, batch, ZipContents())
    next(making)
    assert len(list((tmp_path / "waits").iterdir())) == 1
    making.close()
    assert list((tmp_path / "waits").iterdir()) == []


def test_nothing_of_a_photo_is_kept_once_it_is_sent(
    engine: Engine, hand_in: HandIn, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "PHOTOS_PAGE", 20)
    batch = hand_in("".join(f"{URL}/p-{number}.jpg\n" for number in range(200)).encode())
    finish([1])
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE jobs SET state = 'succeeded', code = '200', finished_at = now(), "
                "artifact_sha256 = (SELECT artifact_sha256 FROM jobs WHERE id = 1) WHERE id > 1"
            )
        )
    making = write_zip(engine, PUBLIC, batch, ZipContents(sources=False))
    held = []
    for number, _ in enumerate(making):
        if number in {70, 390}:
            gc.collect()
            held.append(sum(isinstance(each, PhotoRow | Exported) for each in gc.get_objects()))
    # A page; of all others only their names' hashes.
    assert 0 < held[1] <= held[0] <= 20 + 5


def test_it_is_saved_whole_or_not_at_all(engine: Engine, batch: BatchRow, finish: Finish, tmp_path: Path) -> None:
    finish([1])
    save_zip(engine, PUBLIC, batch, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as found:
        assert "a.jpg" in found.namelist()
    (tmp_path / "out.zip").unlink()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs RENAME TO others"))
    with pytest.raises(Exception, match="jobs"):
        save_zip(engine, PUBLIC, batch, tmp_path / "out.zip")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE others RENAME TO jobs"))
    assert [path.name for path in tmp_path.iterdir() if "zip" in path.name or "part" in path.name] == []
