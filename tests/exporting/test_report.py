"""The report of a batch: all photos in each form, whatever they are called, and little in memory."""

import csv
import json
import re
import tracemalloc
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine, text

from core.states import Lane
from db import artifacts, batches
from exporting.folder import Exported, export_photos
from exporting.pictures import LARGEST_KEPT, LARGEST_SIDE, preview
from exporting.report import PICTURES, Report, write_reports
from tests.photos.metadata.telling import jpeg, told
from tests.photos.pictures import drawn, saved

EVIL = [
    "</li></ul><script>alert(1)</script>.jpg",
    "\"><img src=x onerror='alert(2)'>.jpg",
    "javascript:alert(3).jpg",
    "=cmd|' /C calc'!A0.jpg",
    "two\nlines\r\u2028.jpg",
    "{{ 7 * 7 }}{% raw %}.jpg",
    "grün 写真 🧥.jpg",
]


class PageAsSeen(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - its signature
        """Keep what a tag is told."""
        self.attributes += attrs


def make_batch(engine: Engine, names: list[str], data: bytes = b"\xff\xd8\xff a picture", source: str = "") -> None:
    """Make a batch of which the first photo failed, the second is held with its output, and the others are clean."""
    with engine.begin() as connection:
        batch_id = batches.create(connection, name="<i>t</i>", source_key="t", lane=Lane.BULK, options="{}")
        sha256 = artifacts.keep(connection, data, image_format="JPEG", width=1, height=1)
        connection.execute(
            text(
                "INSERT INTO jobs (batch_id, state, code, message, finished_at, source_uri, source_sha256, item_key, "
                "name, sku, elements, subject_elements, artifact_sha256) VALUES (:batch, :state, :code, :message, "
                "now(), :uri, :source, :key, :name, :name, '{1}', '{1}', :sha256)"
            ),
            [
                {
                    "batch": batch_id,
                    "state": state,
                    "code": code,
                    "message": f"{name} broke",
                    "uri": source or f"https://x.example/{number}",
                    "source": f"{number:064}",
                    "key": str(number),
                    "name": name,
                    "sha256": None if state == "dead" else sha256,
                }
                for number, name in enumerate(names)
                for state, code in [
                    (("dead", "703"), ("held", "damaged"))[number] if number < 2 else ("succeeded", "200")
                ]
            ],
        )


def test_all_photos_are_in_all_three_those_that_failed_first(engine: Engine, tmp_path: Path) -> None:
    names = [f"photo-{number}.jpg" for number in range(600)]
    make_batch(engine, [*names[1:3], *names[:1], *names[3:]])
    page = write_reports(engine, 1, tmp_path).read_text()
    told = re.findall(r"<h2>(.*?)</h2>", page)
    assert sorted(told) == sorted(names)
    assert told[:2] == ["photo-1.jpg", "photo-2.jpg"]
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == [row["name"] for row in rows]
    assert len(lines) == len(names)
    assert list(lines[0]) == list(rows[0])
    assert (rows[0]["state"], rows[0]["file"], lines[0]["file"]) == ("dead", "", None)
    assert {name for name in rows[2] if rows[2][name] != ("" if lines[2][name] is None else str(lines[2][name]))} == {
        "request_ids"
    }


def test_a_name_of_any_characters_is_text_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    make_batch(engine, EVIL)
    page = write_reports(engine, 1, tmp_path).read_text()
    assert page.count("<script") == 1
    assert page.count("<article ") == page.count("</article>") == len(EVIL)
    seen = PageAsSeen()
    seen.feed(page)
    assert {name for name, _ in seen.attributes if name.startswith("on")} == set()
    assert [value for name, value in seen.attributes if name in {"href", "src"} and ":" in str(value)] == []
    assert "{{ 7 * 7 }}" in page
    assert "grün 写真 🧥.jpg" in page
    with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [f"'{n}" if n.startswith("=") else n for n in EVIL]


def test_a_page_allows_its_own_script_alone(engine: Engine, tmp_path: Path) -> None:
    make_batch(engine, ["a.jpg"])
    page = write_reports(engine, 1, tmp_path).read_text()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert re.search(r"default-src 'none'.*script-src 'sha256-[A-Za-z0-9+/]{43}='", policy)
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")


def test_both_pictures_are_large_and_light(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "came.png"
    noise = Image.effect_noise((1600, 1400), 90).convert("RGB")
    noise.save(source)
    out = tmp_path / "out"
    out.mkdir()
    make_batch(engine, ["a.jpg", "b.jpg", "c.jpg"], data=saved(drawn(900, 700), quality=90), source=source.as_uri())
    page = write_reports(engine, 1, out).read_text()
    clean = next(each for each in page.splitlines() if "<h2>c.jpg</h2>" in each)
    before, after = re.findall(r'<img src="([^"]*)"', clean)
    assert source.stat().st_size > LARGEST_KEPT
    with Image.open(out / before) as picture:
        assert max(picture.size) == LARGEST_SIDE
    # What is light is shown as it is, and nothing is made of it.
    assert after == "c.jpg"
    held = next(each for each in page.splitlines() if "<h2>b.jpg</h2>" in each)
    kept = re.findall(r'<img src="([^"]*)"', held)[1]
    assert (out / kept).read_bytes() == saved(drawn(900, 700), quality=90)


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_a_picture_on_a_page_tells_nothing_of_where_it_was_taken() -> None:
    photo = jpeg()
    assert told(photo)["gps"]
    shown = preview(photo)
    assert shown is not None
    assert told(shown.data) == {}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_what_browsers_show_is_kept_as_it_is(form: str) -> None:
    data = BytesIO()
    drawn(300, 200).save(data, form)
    made = preview(data.getvalue())
    assert made is not None
    assert (made.data == data.getvalue()) is (form not in {"TIFF", "BMP"})
    assert Image.open(BytesIO(made.data)).format == (form if form not in {"TIFF", "BMP"} else "JPEG")


def test_no_photo_is_kept_in_memory(engine: Engine, tmp_path: Path) -> None:
    make_batch(engine, [f"photo-{number}.jpg" for number in range(3)])
    *_, last = export_photos(engine, 1, tmp_path)

    photo = Exported(replace(last.photo, state="dead", message="long " * 2000), None)
    with Report(engine, 1, tmp_path) as report:
        report.add(photo)
        tracemalloc.start()
        for _ in range(2000):
            report.add(photo)
        page = report.finish()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < page.stat().st_size / 3


def test_nothing_is_left_beside_the_report(engine: Engine, tmp_path: Path) -> None:
    make_batch(engine, ["a.jpg"])
    write_reports(engine, 1, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.csv", "report.html", "report.jsonl", PICTURES]
