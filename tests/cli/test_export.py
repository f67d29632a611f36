"""Exporting: names are kept and never collide, and a full disk loses nothing."""

import resource
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine, text

from cli.export import export_photos
from cli.report import write_reports
from core.states import Lane
from db import artifacts, batches


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
        "A-2.JPG",
        "sub/a.jpg",
        "a-3.jpg",
        "noext.jpg",
        "b.png",
        "c.webp",
        "report.html.jpg",
        "report.jsonl.jpg",
    ]


def test_a_name_that_says_no_format_is_given_the_outputs(engine: Engine, tmp_path: Path) -> None:
    make_done(engine, ["photo", "photo.php"], form="WEBP")
    assert [exported.path for exported in export_photos(engine, 1, tmp_path)] == [
        tmp_path / "photo.webp",
        tmp_path / "photo.php.webp",
    ]


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
        [sys.executable, "-m", "cli.main", "export", "1", "--to", str(tmp_path / "out")],
        env={
            "DATABASE_URL": database_url,
            "CLEANPLATE_HOME": str(tmp_path / "home"),
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",  # or the limit would leave cut off bytecode to everybody
        },
        preexec_fn=allow_small_files_only,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "safe in the store" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").rglob("*") if "a.jpg" in path.name or ".part" in path.name] == []
