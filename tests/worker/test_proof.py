"""Outputs with something left or damaged wait for a person, with the places; what a stop leaves is proven later."""

from pathlib import Path

import pytest
from PIL import Image

from core.settings import Settings
from photos.findings import FindingKind, PhotoFinding, can_look
from producer.intake import BatchOptions
from tests.worker.conftest import MakeBench
from worker import process
from worker.lookers import GivenUp
from worker.prover import BLIND_FROM

# What the eraser inverts: a square in the middle.
MIDDLE = PhotoFinding(
    FindingKind.BLOCK,
    (0.375, 0.375, 0.25, 0.25),
    0.9,
    is_solid=True,
    on_subject=None,
    line=(0.4, 0.4, 0.6, 0.4, 0.6, 0.6, 0.4, 0.6),
)
CORNER = PhotoFinding(
    FindingKind.BLOCK,
    (0.0, 0.0, 0.2, 0.1),
    0.9,
    is_solid=True,
    on_subject=None,
    line=(0.0, 0.0, 0.2, 0.0, 0.2, 0.1, 0.0, 0.1),
)
needs_the_extra = pytest.mark.skipif(not can_look(), reason="needs the extra look")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.linear_gradient("L").resize((600, 520)).convert("RGB").save(folder / "a.jpg", quality=90)
    return folder


@needs_the_extra
def test_what_changes_where_something_was_found_is_right(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(look=lambda _: [MIDDLE], proves=True)
    bench.submit(photo)
    bench.run_out()
    job = bench.job()
    assert (job["state"], job["proof"]) == ("succeeded", None)


@needs_the_extra
def test_what_changes_elsewhere_is_held_with_its_place_and_paid_once(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(look=lambda _: [], proves=True)
    bench.submit(photo)
    bench.run_out()
    job = bench.job()
    assert (job["state"], job["code"]) == ("held", "damaged")
    assert job["artifact_sha256"] is not None
    assert "accept it, or reject it" in job["message"]
    [box, *_] = job["proof"]["damaged"]
    assert 0.3 < box[0] < 0.5
    assert bench.sandbox.stats()["accepted"] == 1


@needs_the_extra
def test_what_is_left_is_held_with_its_place(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(look=lambda _: [MIDDLE, CORNER], proves=True)
    bench.submit(photo)
    bench.run_out()
    job = bench.job()
    assert (job["state"], job["code"]) == ("held", "left_over")
    assert job["proof"] == {"left": [list(CORNER.box)], "damaged": []}


@needs_the_extra
def test_below_a_mask_nothing_has_to_be_found(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(look=lambda _: [], proves=True)
    bench.submit(photo, BatchOptions(mask="box 100,100,200,150"))
    bench.run_out()
    assert bench.job()["state"] == "succeeded"


@pytest.mark.parametrize("most", [BLIND_FROM, 0.02])
def test_of_what_cannot_be_looked_at_only_large_pieces_are_damage(
    make_bench: MakeBench, photo: Path, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: bytes) -> list[PhotoFinding]:
        raise RuntimeError("no model")

    monkeypatch.setattr("worker.prover.BLIND_FROM", most)
    bench = make_bench(look=fail, proves=True)
    bench.submit(photo)
    bench.run_out()
    assert bench.job()["state"] == ("succeeded" if most == BLIND_FROM else "held")


@needs_the_extra
def test_what_cannot_be_proven_is_measured_blindly(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("photos.findings.proof.prove", fail)
    monkeypatch.setattr("worker.prover.BLIND_FROM", 0.02)
    bench = make_bench(look=lambda _: [MIDDLE], proves=True)
    bench.submit(photo)
    bench.run_out()
    assert bench.job()["code"] == "damaged"


@needs_the_extra
def test_an_output_that_a_stop_leaves_unproven_is_proven_later_and_paid_once(
    make_bench: MakeBench, photo: Path
) -> None:
    stops = [True]

    def look(_: bytes) -> list[PhotoFinding]:
        if stops:
            stops.clear()
            raise GivenUp("the worker stops before a photo was looked at")
        return []

    bench = make_bench(look=look, proves=True)
    bench.submit(photo)
    bench.run_due()
    job = bench.job()
    assert (job["state"], job["attempts"], job["output_url"] is not None) == ("pending", 0, True)
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("held", "damaged")
    assert bench.sandbox.stats()["accepted"] == 1


@pytest.mark.parametrize("most", [BLIND_FROM, 0.02])
def test_without_the_extra_only_large_pieces_are_damage(
    make_bench: MakeBench, photo: Path, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The eraser inverts a sixteenth, and where that is grey it stays so: two pieces.
    monkeypatch.setattr("worker.prover.BLIND_FROM", most)
    bench = make_bench(proves=True)
    bench.submit(photo)
    bench.run_out()
    job = bench.job()
    if most > 1 / 16:
        assert job["state"] == "succeeded"
        return
    assert (job["state"], job["code"]) == ("held", "damaged")
    [(left, top, width, height)] = job["proof"]["damaged"]
    assert (left, width) == (pytest.approx(0.375, abs=0.02), pytest.approx(0.25, abs=0.04))
    assert top > 0.35
    assert 0.05 < height < 0.2


@pytest.mark.parametrize(
    ("told", "rate", "can_look", "proves"),
    [
        ("", 5.0, True, True),
        ("", 20.0, True, True),
        ("", 50.0, True, False),
        ("on", 50.0, True, True),
        ("on", 5.0, False, True),
        ("off", 5.0, True, False),
        ("", 5.0, False, False),
    ],
)
def test_outputs_are_proven_where_looking_keeps_pace(
    told: str, rate: float, can_look: bool, proves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOOK_THREADS", 2)
    monkeypatch.setattr(process, "can_look", lambda: can_look)
    settings = Settings(_env_file=None, proof=told, removal_rate=rate)
    assert process.proves(settings) is proves
