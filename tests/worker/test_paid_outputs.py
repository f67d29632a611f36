"""What was paid for is fetched until it is there, is of the photo it was paid for, and is counted."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from core.errors import SourceUnreachable
from core.states import Fit
from db import artifacts, reviews
from photos.fetch import Fetcher
from producer.intake import BatchOptions
from tests.photos.pictures import drawn, saved
from tests.worker.conftest import MakeBench
from worker import output
from worker.policy import OUTPUT_DOWNLOADS


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Return a source of one photo."""
    (tmp_path / "a.png").write_bytes(saved(drawn(600, 560), "PNG"))
    source = tmp_path / "photos.jsonl"
    source.write_text(json.dumps({"path": str(tmp_path / "a.png")}))
    return source


class Blips:
    """Downloads of outputs of which the first ones fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
        self._real, self._failing = output._download, failing
        self.tries = 0
        self.then: Any = None
        monkeypatch.setattr(output, "_download", self)

    def __call__(self, url: str, fetcher: Fetcher) -> bytes:
        self.tries += 1
        if self.tries <= self._failing:
            if self.then is not None:
                self.then()
            raise SourceUnreachable("http_503", "the host of the outputs answered HTTP 503.")
        return self._real(url, fetcher)


def test_failed_downloads_do_not_add_to_failed_calls(
    make_bench: MakeBench, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blips = Blips(monkeypatch, OUTPUT_DOWNLOADS - 1)
    bench = make_bench()
    bench.sandbox.configure(next="801*3")
    bench.submit(listed)
    bench.run_out(20)
    assert bench.job()["state"] == "succeeded"
    assert bench.job()["attempts"] == 4
    assert blips.tries == OUTPUT_DOWNLOADS
    assert [row["spend"] for row in bench.attempts()].count("paid") == 1


def test_an_output_that_cannot_be_had_keeps_its_link(
    make_bench: MakeBench, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Blips(monkeypatch, 1000)
    bench = make_bench()
    bench.submit(listed)
    bench.run_out(20)
    job = bench.job()
    assert (job["state"], job["code"]) == ("dead", "output_http_503")
    assert job["output_url"]
    assert "retry" in job["message"]


def test_an_output_is_not_collected_for_another_photo(
    make_bench: MakeBench, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = drawn(600, 560)
    ImageDraw.Draw(other).rectangle((20, 20, 120, 60), fill=(255, 255, 0))
    Blips(monkeypatch, 1).then = lambda: (listed.parent / "a.png").write_bytes(saved(other, "PNG"))
    bench = make_bench()
    bench.submit(listed)
    bench.run_out()
    job = bench.job()
    assert job["state"] == "succeeded"
    assert "source_changed" in [row["code"] for row in bench.attempts()]
    with Image.open(io.BytesIO(artifacts.fetch(bench.engine, job["artifact_sha256"]) or b"")) as image:
        # The eraser of these tests inverts what it erases.
        assert image.convert("RGB").getpixel((60, 40)) in {(255, 255, 0), (0, 0, 255)}


def test_an_output_of_one_provider_is_not_collected_for_another(
    make_bench: MakeBench, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Blips(monkeypatch, 1)
    bench = make_bench()
    bench.submit(listed)
    assert [ending.state for ending in bench.run_due()] == ["pending"]
    assert [ending.state for ending in make_bench(provider="vendor.example").run_out()] == ["succeeded"]
    assert [row["code"] for row in bench.attempts()] == ["200", "output_http_503", "settings_changed", "200"]
    assert bench.sandbox.stats()["accepted"] == 2


def test_workers_of_two_providers_do_not_pay_for_a_photo_by_turns_for_ever(
    make_bench: MakeBench, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Blips(monkeypatch, 1000)
    both = [make_bench(provider=name) for name in ("one.example", "two.example")]
    both[0].submit(listed)
    for place in range(6):
        both[place % 2].run_due()
    job = both[0].job()
    assert (job["state"], job["code"]) == ("held", "settings_changed")
    assert [row["spend"] for row in both[0].attempts()].count("paid") == 2


def test_a_photo_that_is_another_one_each_time_is_not_paid_for_over_and_over(
    make_bench: MakeBench, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter(range(1000))

    def change() -> None:
        other = drawn(600, 560)
        other.putpixel((next(made), 3), (1, 2, 3))
        (listed.parent / "a.png").write_bytes(saved(other, "PNG"))

    Blips(monkeypatch, 1000).then = change
    bench = make_bench()
    bench.submit(listed)
    bench.run_out(20)
    assert (bench.job()["state"], bench.job()["code"]) == ("held", "source_changed")
    assert [row["spend"] for row in bench.attempts()].count("paid") == 2


def test_an_answer_that_came_in_part_may_have_been_billed(make_bench: MakeBench, listed: Path) -> None:
    bench = make_bench()
    bench.sandbox.configure(next="truncated*5")
    bench.submit(listed)
    bench.run_out()
    assert [(row["code"], row["spend"]) for row in bench.attempts()] == [("truncated_json", "maybe")] * 5


def test_a_strict_output_does_not_pass_for_a_fitted_one(make_bench: MakeBench, tmp_path: Path, listed: Path) -> None:
    photo = drawn(600, 560).convert("RGBA")
    alpha = Image.new("L", photo.size, 255)
    alpha.paste(0, (0, 0, 60, 60))
    photo.putalpha(alpha)
    (tmp_path / "a.png").write_bytes(saved(photo, "PNG"))
    bench = make_bench()
    for fit in (Fit.STRICT, Fit.FIT):
        bench.submit(listed, BatchOptions(fit=fit))
        bench.run_out()
    strict, fitted = bench.rows("SELECT * FROM jobs ORDER BY id")
    assert (strict["state"], fitted["state"]) == ("succeeded", "succeeded")
    with Image.open(io.BytesIO(artifacts.fetch(bench.engine, fitted["artifact_sha256"]) or b"")) as image:
        assert image.mode == "RGBA"


def test_a_strict_output_of_a_photo_that_needs_no_fitting_is_reused(make_bench: MakeBench, listed: Path) -> None:
    bench = make_bench()
    for fit in (Fit.STRICT, Fit.FIT):
        bench.submit(listed, BatchOptions(fit=fit))
        bench.run_out()
    strict, fitted = bench.rows("SELECT * FROM jobs ORDER BY id")
    assert fitted["reused_from"] == strict["id"]


@pytest.mark.parametrize(("decide", "state"), [(reviews.accept, "succeeded"), (reviews.reject, "dead")])
def test_one_look_decides_about_all_of_the_same_photo(
    make_bench: MakeBench, tmp_path: Path, decide: Any, state: str
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(saved(drawn(600, 560), "PNG"))
    bench = make_bench()
    bench.sandbox.configure(next="unchanged")
    bench.submit(folder)
    bench.run_out()
    first, second = bench.rows("SELECT id, state FROM jobs ORDER BY id")
    assert (first["state"], second["state"]) == ("held", "held")
    with bench.engine.begin() as connection:
        reviewed = decide(connection, [first["id"]])
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs ORDER BY id")] == [state, state]
    assert [review.job_id for review in reviewed] == [first["id"], second["id"]]
