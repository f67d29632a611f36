"""`cleanplate review --export`: a contact sheet that needs nothing but a browser."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from actions import samples
from cli.group import cleanplate
from core.settings import Settings
from db import artifacts
from exporting import sheets as writing
from tests.db.rows import make_batch, put
from tests.photos.pictures import drawn, saved


@pytest.fixture
def seven(engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Make a batch of seven photos: one that is there and clean, others whose sources are nowhere, one dead."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path / "home"))
    make_batch(engine, 7)
    (tmp_path / "one.jpg").write_bytes(saved(drawn(600, 640)))
    with engine.begin() as connection:
        put(connection, "succeeded", "id < 7")
        sha256 = artifacts.keep(connection, saved(drawn(600, 640)), image_format="JPEG", width=600, height=640)
        connection.execute(
            text("UPDATE jobs SET artifact_sha256 = :sha256, source_uri = :uri, name = 'a<b>.jpg' WHERE id = 1"),
            {"sha256": sha256, "uri": (tmp_path / "one.jpg").as_uri()},
        )
        put(connection, "dead", "id = 7", code="703", message="no")
    return engine


def export(*words: str, to: str = "sheet.html") -> list[str]:
    done = CliRunner().invoke(cleanplate, ["review", "1", "--export", to, *words], standalone_mode=False)
    assert done.exception is None, done.output
    return done.stdout.split()


def test_a_sheet_holds_its_pictures_and_asks_nobody(seven: Engine, tmp_path: Path) -> None:
    with seven.begin() as connection:
        drawn_sample = samples.draw(connection, "ann", 1, 3)
        samples.sign_off(connection, "ann", drawn_sample.id, [])
    assert export() == ["sheet.html"]
    page = (tmp_path / "sheet.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "a&lt;b&gt;.jpg" in page
    assert page.count("<li>") == 6
    assert "Signed off by ann" in page
    assert "Photos 1 to 6 of 6" in page


@pytest.mark.usefixtures("seven")
def test_more_photos_go_into_more_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "FILE_PHOTOS", 3)
    assert export("--show", "all", "--order", "name") == ["sheet.html", "sheet-2.html", "sheet-3.html"]
    last = (tmp_path / "sheet-3.html").read_text()
    assert last.count("<li>") == 1
    assert 'href="sheet-2.html"' in last
    assert "Photos 7 to 7 of 7" in last


@pytest.mark.usefixtures("seven")
def test_a_smaller_sheet_leaves_nothing_of_a_larger_one_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "FILE_PHOTOS", 2)
    assert export("--show", "all")[1:] == ["sheet-2.html", "sheet-3.html", "sheet-4.html"]
    # Named by somebody: another batch's sheet, or anything else.
    assert export(to="sheet-3.html")[0] == "sheet-3.html"
    (tmp_path / "sheet-5.html").write_text("mine")
    monkeypatch.setattr(writing, "FILE_PHOTOS", 7)
    assert export("--show", "all") == ["sheet.html"]
    left = {path.name for path in tmp_path.glob("sheet*.html")}
    assert left == {"sheet.html", "sheet-3.html", "sheet-3-2.html", "sheet-3-3.html", "sheet-5.html"}


@pytest.mark.usefixtures("seven")
def test_an_empty_sheet_says_so(tmp_path: Path) -> None:
    assert export("--show", "held") == ["sheet.html"]
    assert "No photo here" in (tmp_path / "sheet.html").read_text()


def test_a_replaced_photo_is_not_shown_as_what_was_sent(seven: Engine, tmp_path: Path) -> None:
    with seven.begin() as connection:
        connection.execute(text("UPDATE jobs SET source_sha256 = 'another' WHERE id = 1"))
    export()
    assert (tmp_path / "sheet.html").read_text().count('src="data:image/jpeg;base64,') == 1
