"""`cleanplate run`, from a folder to clean photos and a report, and again."""

import json
import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from sandbox.server import SandboxServer
from tests.acceptance.conftest import Cleanplate
from tests.chaos.fleet import make_photos

UNUSABLE = {
    "text.jpg": "not_an_image",
    "cut.jpg": "truncated",
    "empty.png": "empty_file",
    "small.jpg": "too_small",
    "large.jpg": "too_large_sides",
    "heavy.jpg": "too_many_bytes",
    "bomb.png": "bomb",
}


def make_unusable(folder: Path) -> Path:
    """One good photo, and one for each way of being none."""
    photos = make_photos(folder, 1)
    whole = (photos / "p0000.jpg").read_bytes()
    (photos / "text.jpg").write_text("this is no photo")
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "empty.png").write_bytes(b"")
    Image.new("RGB", (400, 400)).save(photos / "small.jpg")
    Image.new("RGB", (4000, 4000)).save(photos / "large.jpg")
    (photos / "heavy.jpg").write_bytes(whole + b"\0" * 12_000_000)
    Image.new("1", (20_000, 20_000)).save(photos / "bomb.png")
    return photos


@pytest.mark.usefixtures("nothing_configured")
def test_a_folder_goes_in_and_comes_out_clean_and_again_for_nothing(
    cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 8)
    (photos / "deep").mkdir()
    Image.new("RGB", (600, 520), "navy").save(photos / "deep" / "x y.png")
    first = cleanplate("run", photos, "--out", "clean", "--json")
    assert first.code == 0, first.err
    wanted = {
        "batch": 1,
        "total": 9,
        "succeeded": 9,
        "reused": 0,
        "dead": 0,
        "held": 0,
        "cancelled": 0,
        "pending": 0,
        "calls": 9,
        "throttled": 0,
        "retries": 0,
        "maybe_billed": 0,
        "paid": 9,
        "cost": 0.0,
        "currency": "USD",
    }
    assert {name: first.json[name] for name in wanted} == wanted
    names = {path.relative_to(photos) for path in photos.rglob("*.*") if path.is_file()}
    assert {path.relative_to(tmp_path / "clean") for path in (tmp_path / "clean").rglob("*.*g")} >= names
    assert Path(first.json["report"]).read_text().count("<article ") == 9
    rows = [json.loads(line) for line in (tmp_path / "clean" / "report.jsonl").read_text().splitlines()]
    assert [row["state"] for row in rows] == ["succeeded"] * 9
    assert all(row["request_ids"] for row in rows)

    second = cleanplate("run", photos, "--out", "clean", "--json")
    assert second.code == 0
    assert (second.json["succeeded"], second.json["reused"], second.json["calls"]) == (9, 9, 0)
    # All of it is known to be clean as it stands, without a worker or another batch.
    assert second.json["batch"] == 1
    (photos / "p0000.jpg").unlink()
    third = cleanplate("run", photos, "--out", "other", "--json")
    assert (third.code, third.json["batch"], third.json["succeeded"], third.json["calls"]) == (0, 2, 8, 0)
    assert not (tmp_path / "other" / "p0000.jpg").exists()
    assert sandbox.stats()["accepted"] == 9


def test_names_are_kept_and_so_are_formats_that_are_not_what_the_names_say(
    cleanplate: Cleanplate, tmp_path: Path
) -> None:
    photos, formats = tmp_path / "photos", {"a.png": "JPEG", "a.jpg": "PNG", "b.jpg": "WEBP", "b.webp": "BMP"}
    photos.mkdir()
    for number, (name, form) in enumerate(formats.items()):
        Image.new("RGB", (600, 520), (40 * number, 90, 120)).save(photos / name, format=form)
    done = cleanplate("run", photos, "--out", "clean", "--json")
    assert done.code == 0, done.err
    clean = tmp_path / "clean"
    found = {path.name: path for path in clean.iterdir() if path.suffix in {".png", ".jpg", ".webp"}}
    assert {name: Image.open(BytesIO(path.read_bytes())).format for name, path in found.items()} == formats
    rows = [json.loads(line) for line in (clean / "report.jsonl").read_text().splitlines()]
    assert [(row["name"], row["file"]) for row in rows] == [(name, name) for name in sorted(formats)]
    again = cleanplate("export", "1", "--to", "again")
    assert again.code == 0, again.err
    assert {path.name for path in (tmp_path / "again").iterdir()} >= set(formats)


def test_photos_that_cannot_be_used_are_dead_and_cost_nothing(
    cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_unusable(tmp_path / "photos")
    done = cleanplate("run", photos, "--out", "clean", "--json", "--fit", "strict")
    assert done.code == 1
    assert (done.json["succeeded"], done.json["dead"], done.json["calls"]) == (1, 7, 1)
    rows = [json.loads(line) for line in (tmp_path / "clean" / "report.jsonl").read_text().splitlines()]
    assert {row["name"]: row["code"] for row in rows} == {"p0000.jpg": "200"} | UNUSABLE
    assert all(row["message"] for row in rows if row["state"] == "dead")
    assert sandbox.stats()["accepted"] == 1


def test_photos_outside_the_bounds_are_made_to_fit(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_unusable(tmp_path / "photos")
    done = cleanplate("run", photos, "--out", "clean", "--json")
    assert done.code == 1
    rows = [json.loads(line) for line in (tmp_path / "clean" / "report.jsonl").read_text().splitlines()]
    fitted = {"p0000.jpg", "small.jpg", "large.jpg", "heavy.jpg"}
    assert {row["name"]: row["code"] for row in rows} == {
        name: "200" if name in fitted else UNUSABLE[name] for name in [*UNUSABLE, "p0000.jpg"]
    }
    for name in ("small.jpg", "large.jpg"):
        with Image.open(photos / name) as before, Image.open(tmp_path / "clean" / name) as after:
            assert (before.size, before.format) == (after.size, after.format)


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(
    environment: dict[str, str], cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 150)
    sandbox.configure(latency=0.5)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli.main", "run", str(photos), "--out", "clean"],
        env={**environment, "PYTHONPATH": os.getcwd(), "REMOVAL_RATE": "10"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while sandbox.stats()["accepted"] < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 5, err
    assert "again" in err
    assert "Traceback" not in err
    paid = sandbox.stats()["accepted"]
    assert 8 <= paid < 150
    done = cleanplate("run", photos, "--out", "clean", "--json")
    assert done.code == 0, done.err
    assert (done.json["batch"], done.json["succeeded"]) == (1, 150)
    assert sandbox.stats()["accepted"] == 150


def test_a_wrong_secret_stops_everything_at_once_and_can_be_mended(
    cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 20)
    refused = cleanplate("run", photos, "--out", "clean", REMOVAL_API_SECRET="wrong-one", REMOVAL_RATE="1")
    assert refused.code == 7
    assert "IncompleteSignature" in refused.err
    assert "wrong-one" not in refused.err
    assert sandbox.stats()["received"] < 10
    again = cleanplate("run", photos, "--out", "clean", REMOVAL_API_SECRET="wrong-one")
    assert again.code == 7
    done = cleanplate("run", photos, "--out", "clean", "--json")
    assert done.code == 0, done.err
    assert (done.json["succeeded"], done.json["retries"]) == (20, 0)


def test_urls_that_lead_nowhere(cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path) -> None:
    base = sandbox.url.rstrip("/")
    (tmp_path / "urls.txt").write_text(f"{base}/nothing-here.jpg\n{base}/healthz\nhttp://10.1.2.3/a.jpg\n")
    done = cleanplate("run", "urls.txt", "--out", "clean", "--json")
    assert done.code == 1
    rows = [json.loads(line) for line in (tmp_path / "clean" / "report.jsonl").read_text().splitlines()]
    assert [row["code"] for row in rows] == ["http_404", "not_an_image", "address_forbidden"]
    assert done.json["calls"] == 0


def test_a_failing_api_is_asked_again_and_requeue_brings_back_the_dead(
    cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    sandbox.configure(faults={"801": 1.0})
    failed = cleanplate("run", photos, "--out", "clean", "--json", MAX_ATTEMPTS="2")
    assert failed.code == 1
    assert (failed.json["dead"], failed.json["calls"], failed.json["retries"]) == (2, 4, 2)
    assert "801" in failed.err
    sandbox.configure(faults={})
    assert "Nothing to retry." in cleanplate("requeue", "1", "--code", "700").out
    assert "Retrying 2 failed photos" in cleanplate("requeue", "1", "--code", "801").out
    done = cleanplate("run", photos, "--out", "clean", "--json")
    assert (done.code, done.json["batch"], done.json["succeeded"]) == (0, 1, 2)


@pytest.mark.usefixtures("nothing_configured")
def test_the_stack_that_is_up_is_used(
    environment: dict[str, str], cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 5)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli.main", "up"],
        env={**environment, "PYTHONPATH": os.getcwd()},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "is up" in line:
            break
    submitted = cleanplate("submit", photos, "--json")
    assert submitted.json["batch"] == 1
    assert cleanplate("watch", "1").code == 0
    status = cleanplate("status", "1", "--json").json
    assert (status["state"], status["succeeded"], status["queued"], status["running"]) in {
        ("finished", 5, 0, 0),
        ("active", 5, 0, 0),
    }
    assert cleanplate("export", "1", "--to", "there").code == 0
    assert len(list((tmp_path / "there").glob("p*.jpg"))) == 5
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert httpx.get(f"{sandbox.url.rstrip('/')}/healthz").status_code == 200
