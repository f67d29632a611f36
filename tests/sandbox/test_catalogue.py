"""The sample catalogue is the same every time, within the API's bounds, and fits its manifest."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sandbox.catalogue import is_kept, keep, make_catalogue


def digests(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_equal_seeds_give_equal_files(tmp_path: Path) -> None:
    first = make_catalogue(tmp_path / "a", count=2)
    second = make_catalogue(tmp_path / "b", count=2)
    make_catalogue(tmp_path / "c", count=2, seed=8)
    assert first == second
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_photos_plates_and_manifest(tmp_path: Path) -> None:
    samples = make_catalogue(tmp_path, count=14)
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [sample.path for sample in samples]
    assert len({sample.path for sample in samples}) == 14
    assert {element for sample in samples for element in sample.elements} == {1, 2, 3, 4}
    assert {Path(sample.path).suffix for sample in samples} == {".jpg", ".png"}
    for sample in samples:
        with Image.open(tmp_path / sample.path) as photo, Image.open(tmp_path / sample.plate) as plate:
            assert photo.size == plate.size == (sample.width, sample.height)
            assert 800 <= max(photo.size) <= 1080
            assert min(photo.size) >= 512
            changed = np.abs(np.asarray(photo, np.int16) - np.asarray(plate, np.int16)).max(axis=2) > 12
            assert 0.002 < changed.mean() < 0.2


def test_what_is_drawn_is_kept_for_the_next_demo_and_whatever_differs_is_not(tmp_path: Path) -> None:
    assert not is_kept(tmp_path, count=1)
    photo = tmp_path / make_catalogue(tmp_path, count=1)[0].path
    assert not is_kept(tmp_path, count=1)
    keep(tmp_path, count=1)
    assert is_kept(tmp_path, count=1)
    assert not is_kept(tmp_path, count=2)
    before = photo.read_bytes()
    photo.write_bytes(before[:-1])
    assert not is_kept(tmp_path, count=1)
    photo.write_bytes(before)
    assert is_kept(tmp_path, count=1)
    (photo.parent / "another.jpg").write_bytes(before)
    assert not is_kept(tmp_path, count=1)


def test_what_another_version_drew_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_catalogue(tmp_path, count=1)
    keep(tmp_path, count=1)
    monkeypatch.setattr("sandbox.catalogue.kept.SOURCES", tmp_path / "nowhere")
    assert not is_kept(tmp_path, count=1)
