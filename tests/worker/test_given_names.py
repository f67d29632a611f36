"""What a source's server calls a photo, where its URL tells no name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from exporting.folder import export_photos
from photos.source import Source
from tests.worker.conftest import Bench, MakeBench
from worker import prepare

HOST = "https://shop.example"
Run = Callable[[dict[str, str]], Bench]


@pytest.fixture
def run(make_bench: MakeBench, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs photos by their URLs, each called by its server as is told."""
    data = (photo / "a.jpg").read_bytes()

    def run(told: dict[str, str]) -> Bench:
        bench = make_bench()
        # Appended bytes make each another photo, so that none is the twin of another.
        sources = {url: Source(data + bytes([number]), None, name) for number, (url, name) in enumerate(told.items())}
        monkeypatch.setattr(prepare, "read_source", lambda uri, *_, **__: sources[uri])
        (tmp_path / "urls.txt").write_text("\n".join(told) + "\n")
        bench.submit(tmp_path / "urls.txt")
        bench.run_out()
        return bench

    return run


def exported(bench: Bench, out: Path) -> list[str | None]:
    out.mkdir()
    return [each.path.name if each.path else None for each in export_photos(bench.engine, 1, out)]


def test_a_photo_is_called_as_its_server_calls_it(run: Run, tmp_path: Path) -> None:
    bench = run(
        {
            f"{HOST}/image.php?id=1": "red shirt.jpg",
            f"{HOST}/image.php?id=2": "",
            f"{HOST}/blue.jpg": "other.jpg",
            f"{HOST}/image.php?id=3": "Gr\u00f6\u00dfe",
        }
    )
    assert exported(bench, tmp_path / "out") == ["red shirt.jpg", "image-2.php.jpg", "blue.jpg", "Gr\u00f6\u00dfe.jpg"]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("con.jpg", "_con.jpg"),
        ("COM1 .x.jpg", "_COM1 .x.jpg"),
        ("..", None),
        ("a\u202egpj.exe", "agpj.exe"),
        ('a<b>:"|?*.jpg', "a_b_.jpg"),
        (" .hidden. ", "hidden"),
    ],
)
def test_a_name_harms_no_file_system(run: Run, told: str, kept: str | None) -> None:
    assert run({f"{HOST}/image.php": told}).job()["given_name"] == kept


def test_a_long_name_is_cut(run: Run) -> None:
    kept = run({f"{HOST}/image.php": "\u7ea2" * 300 + ".jpg"}).job()["given_name"]
    assert len(kept.encode()) <= 150
    assert kept.endswith(".jpg")


def test_no_two_photos_of_a_batch_are_given_one_name(run: Run, tmp_path: Path) -> None:
    bench = run({f"{HOST}/image.php?id={number}": name for number, name in enumerate(["a.jpg", "A.JPG", "a.jpg"])})
    assert exported(bench, tmp_path / "out") == ["a.jpg", "A-2.JPG", "a-3.jpg"]


def test_a_name_that_is_learned_late_changes_no_other(run: Run, tmp_path: Path) -> None:
    bench = run({f"{HOST}/image.php?id=1": "", f"{HOST}/red.jpg": "", f"{HOST}/image.php?id=3": ""})
    assert exported(bench, tmp_path / "before") == ["image.php.jpg", "red.jpg", "image-2.php.jpg"]
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET given_name = 'red.jpg' WHERE id = 1"))
        connection.execute(text("UPDATE jobs SET given_name = 'blue.jpg' WHERE id = 3"))
    assert exported(bench, tmp_path / "after") == ["image.php.jpg", "red.jpg", "blue.jpg"]


def test_a_name_of_the_catalogue_is_kept(
    make_bench: MakeBench, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    source = Source((photo / "a.jpg").read_bytes(), None, "other.jpg")
    monkeypatch.setattr(prepare, "read_source", lambda *_, **__: source)
    (tmp_path / "m.jsonl").write_text(f'{{"image_url": "{HOST}/image.php", "name": "front"}}\n')
    bench.submit(tmp_path / "m.jsonl")
    bench.run_out()
    assert bench.job()["given_name"] is None
