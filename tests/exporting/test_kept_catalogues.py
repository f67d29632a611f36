"""A catalogue that came as bytes goes out again, read as it was read when it came."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from core.errors import UsageError
from core.settings import Settings
from exporting.catalogue import export_catalogue
from producer.catalogue.format import Reading
from tests.exporting.conftest import Finish, HandIn

URL = "https://shop.example"
PUBLIC = Settings(_env_file=None, web_public_url="https://clean.example")


def exported(engine: Engine, batch_id: object, out: Path) -> str:
    done = export_catalogue(engine, PUBLIC, batch_id, out, None)  # type: ignore[arg-type]
    assert done.path == out
    return out.read_bytes().decode()


@pytest.mark.parametrize(
    ("data", "reading", "photos"),
    [
        (f"id;one;two\n1;{URL}/a.jpg;{URL}/b.jpg\n".encode(), Reading(image_columns=("two",)), ["b"]),
        (f"sku,image_url\n1,{URL}/a.jpg\n2,{URL}/b.jpg\n".encode(), Reading(), ["a", "b"]),
        (b"sku,base_image\n1,/a.jpg\n", Reading(base_url=f"{URL}/media"), ["a"]),
        (f"{URL}/a.jpg\n{URL}/b.jpg\n".encode(), Reading(format="urls"), ["a", "b"]),
        (
            "".join(json.dumps({"image_url": f"{URL}/{each}.jpg", "elements": [1]}) + "\n" for each in "ab").encode(),
            Reading(),
            ["a", "b"],
        ),
        (json.dumps([f"{URL}/a.jpg", {"image_url": f"{URL}/b.jpg"}]).encode(), Reading(), ["a", "b"]),
    ],
    ids=["named column", "any table", "base url", "urls", "json lines", "json"],
)
def test_it_goes_out_without_its_source(
    engine: Engine, hand_in: HandIn, finish: Finish, tmp_path: Path, data: bytes, reading: Reading, photos: list[str]
) -> None:
    batch = hand_in(data, reading=reading)
    finish(range(1, len(photos) + 1))
    (tmp_path / "came").unlink()
    told = exported(engine, batch, tmp_path / "out")
    assert told.count("https://clean.example/artifacts/") == len(photos)
    for each in photos:
        assert f"/{each}.jpg" in told
        assert f"{URL}/{each}.jpg" not in told
    assert exported(engine, batch, tmp_path / "again") == told


def test_what_is_named_is_taken_instead(engine: Engine, hand_in: HandIn, finish: Finish, tmp_path: Path) -> None:
    batch = hand_in(f"sku,image_url\n1,{URL}/a.jpg\n".encode())
    finish([1])
    (tmp_path / "mine.csv").write_text(f"sku,image_url,more\n1,{URL}/a.jpg,kept\n")
    export_catalogue(engine, PUBLIC, batch, tmp_path / "out.csv", tmp_path / "mine.csv")
    assert (tmp_path / "out.csv").read_text().endswith("/a.jpg,kept\n")


def test_a_large_file_is_read_in_parts(engine: Engine, hand_in: HandIn, tmp_path: Path) -> None:
    data = (f"image_url,note\n{URL}/a.jpg,{'x' * 900_000}\n{URL}/b.jpg,{'y' * 900_000}\n").encode()
    batch = hand_in(data)
    assert exported(engine, batch, tmp_path / "out").encode() == data


def test_one_that_was_never_a_file_is_said(engine: Engine, hand_in: HandIn, tmp_path: Path) -> None:
    batch = hand_in(f"{URL}/a.jpg\n".encode())
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM catalogues"))
    with pytest.raises(UsageError, match="not made from a catalogue file"):
        export_catalogue(engine, PUBLIC, batch, tmp_path / "out", None)


def test_without_a_public_address_nothing_is_written(engine: Engine, hand_in: HandIn, tmp_path: Path) -> None:
    batch = hand_in(f"{URL}/a.jpg\n".encode())
    with pytest.raises(UsageError, match="WEB_PUBLIC_URL"):
        export_catalogue(engine, Settings(_env_file=None), batch, tmp_path / "out", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["came"]


def test_it_is_forgotten_with_its_batch(engine: Engine, hand_in: HandIn) -> None:
    hand_in(f"{URL}/a.jpg\n".encode())
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM jobs"))
        connection.execute(text("DELETE FROM batches"))
        assert connection.execute(text("SELECT count(*) FROM catalogues")).scalar_one() == 0
