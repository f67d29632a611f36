"""Exporting: names are kept and never collide, and a full disk loses nothing."""

import gc
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from core.states import Lane
from db import artifacts, batches
from exporting.folder import export_photos
from exporting.names import Names, Sameness, file_of, find_sameness
from exporting.report import write_reports


def make_done(engine: Engine, names: list[str], data: bytes = b"\xff\xd8 a picture", form: str = "JPEG") -> None:
    with engine.begin() as connection:
        batch_id = batches.create(connection, name="t", source_key="t", lane=Lane.BULK, options="{}")
        sha256 = artifacts.keep(connection, data, image_format=form, width=1, height=1)
        for number, name in enumerate(names):
            connection.execute(
                text(
                    "INSERT INTO jobs (batch_id, state, code, finished_at, source_uri, item_key, name, elements, "
                    "subject_elements, artifact_sha256) VALUES (:batch, 'succeeded', '200', now(), "
                    "'https://x.example/', :key, :name, '{1}', '{1}', :sha256)"
                ),
                {"batch": batch_id, "key": str(number), "name": name, "sha256": sha256},
            )


def test_names_are_kept_and_collisions_numbered(engine: Engine, tmp_path: Path) -> None:
    twins = ["a.jpg", "A.JPG", "sub/a.jpg", "a.jpg"]
    make_done(engine, [*twins, "noext", "b.png", "c.webp", "report.html.jpg", "report.jsonl"])
    paths = [exported.path for exported in export_photos(engine, 1, tmp_path)]
    assert [str(path.relative_to(tmp_path)) for path in paths if path] == [
        "a.jpg",
        "A.JPG",
        "sub/a.jpg",
        "a-2.jpg",
        "noext.jpg",
        "b.png",
        "c.webp",
        "report.html.jpg",
        "report-2.jsonl.jpg",
    ]


def test_a_name_that_says_no_format_is_given_the_outputs(engine: Engine, tmp_path: Path) -> None:
    make_done(engine, ["photo", "photo.php"], form="WEBP")
    assert [exported.path for exported in export_photos(engine, 1, tmp_path)] == [
        tmp_path / "photo.webp",
        tmp_path / "photo.php.webp",
    ]


def test_a_name_never_changes_while_a_batch_runs(engine: Engine, tmp_path: Path) -> None:
    make_done(engine, ["front.jpg", "front.jpg", "back", "back.jpg", "front.jpg"])

    def export(done: list[int], out: str) -> dict[int, str]:
        with engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET state = 'held'"))
            connection.execute(text("UPDATE jobs SET state = 'succeeded' WHERE id = ANY(:ids)"), {"ids": done})
        folder = tmp_path / out
        folder.mkdir()
        exported = list(export_photos(engine, 1, folder))
        names = {each.photo.job_id: each.path.name for each in exported if each.path}
        assert sorted(path.name for path in folder.iterdir()) == sorted(names.values())
        return names

    whole = export([1, 2, 3, 4, 5], "whole")
    assert whole == {1: "front.jpg", 2: "front-2.jpg", 3: "back.jpg", 4: "back-2.jpg", 5: "front-3.jpg"}
    for number, done in enumerate(([2], [2, 4], [1, 5], [3, 4, 5])):
        assert export(done, str(number)) == {job: whole[job] for job in done}


def test_a_name_does_not_depend_on_the_formats_of_others(tmp_path: Path) -> None:
    names = Names(tmp_path, Sameness(of_case=False, of_form=False))
    wished = ["a.jpg", "a", "a.jpg.png", "a.bmp", "a.png", "b.gif.jpg"]
    taken = [names.take(name, "https://x.example/") for name in wished]
    assert taken == ["a.jpg", "a-2", "a.jpg.png", "a.bmp", "a.png", "b.gif.jpg"]
    files = [file_of(name, form) for name in taken for form in (None, "JPEG", "PNG", "BMP", "GIF")]
    owners: dict[str, set[int]] = {}
    for place, file in enumerate(files):
        owners.setdefault(file, set()).add(place // 5)
    assert all(len(found) == 1 for found in owners.values())


@pytest.mark.parametrize(
    ("sameness", "names", "taken"),
    [
        (Sameness(of_case=True, of_form=False), ["Case.jpg", "case.jpg", "CASE"], ["Case.jpg", "case-2.jpg", "CASE-3"]),
        (Sameness(of_case=False, of_form=False), ["Case.jpg", "case.jpg", "CASE"], ["Case.jpg", "case.jpg", "CASE"]),
        (Sameness(of_case=True, of_form=True), ["\u00c9.png", "e\u0301.png"], ["\u00c9.png", "e\u0301-2.png"]),
        (Sameness(of_case=True, of_form=False), ["Report.HTML"], ["Report-2.HTML"]),
    ],
)
def test_what_is_one_name_is_what_the_folder_takes_for_one(
    tmp_path: Path, sameness: Sameness, names: list[str], taken: list[str]
) -> None:
    giver = Names(tmp_path, sameness)
    assert [giver.take(name, "https://x.example/") for name in names] == taken


def test_what_a_folder_takes_for_one_name_is_found_by_looking(tmp_path: Path) -> None:
    (tmp_path / "Aa").touch()
    assert find_sameness(tmp_path).of_case == (tmp_path / "aA").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["Aa"]


def test_many_names_are_light(tmp_path: Path) -> None:
    names = Names(tmp_path, Sameness(of_case=False, of_form=False))
    for number in range(10_000):
        names.take(f"shop/a-long-name-of-a-product-{number}.jpg", "https://x.example/")
    held = [each for each in gc.get_referents(*vars(names).values()) if isinstance(each, str) and "product" in each]
    assert (held, len(names._taken), len(names._numbers)) == ([], 10_000, 0), "a hash is kept of each, and no name"


def test_an_original_in_the_way_is_left_alone(engine: Engine, tmp_path: Path) -> None:
    make_done(engine, ["a.jpg"])
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET source_uri = :uri"), {"uri": (tmp_path / "a.jpg").as_uri()})
    [exported] = export_photos(engine, 1, tmp_path)
    assert exported.path == tmp_path / "a-clean.jpg"


def test_a_second_export_writes_nothing_anew(engine: Engine, tmp_path: Path) -> None:
    make_done(engine, ["a.jpg"])
    [first] = export_photos(engine, 1, tmp_path)
    assert first.path is not None
    before = first.path.stat().st_ino
    list(export_photos(engine, 1, tmp_path))
    assert first.path.stat().st_ino == before


def test_a_report_without_pictures_is_still_one(engine: Engine, tmp_path: Path) -> None:
    make_done(engine, ["<b>&.jpg"])
    page = write_reports(engine, 1, tmp_path).read_text()
    assert "&lt;b&gt;&amp;.jpg" in page
    assert "<b>&" not in page


def test_a_disk_that_takes_no_more_is_said_and_leaves_no_half_file(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    make_done(engine, ["a.jpg"], data=b"x" * 300_000)

    def allow_small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "export", "1", "--to", str(tmp_path / "out")],
        env={
            "DATABASE_URL": database_url,
            "CLEANPLATE_HOME": str(tmp_path / "home"),
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",  # or the limit would leave cut off bytecode to everybody
        },
        preexec_fn=allow_small_files_only,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "safe in the store" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").rglob("*") if "a.jpg" in path.name or ".part" in path.name] == []
