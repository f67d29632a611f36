"""What people type wrong: a message and an exit code, never a traceback."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import Cleanplate
from tests.chaos.fleet import make_photos


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere", "--out", "clean"], "There is no 'nowhere'"),
        (["run", "empty", "--out", "clean"], "No photo found"),
        (["run", "empty"], "--out"),
        (["run", "empty", "--out", "clean", "--elements", "5"], "unknown element"),
        (["run", "empty", "--out", "clean", "--elements", "", "--subject-elements", ""], "nothing to remove"),
        (["run", "empty", "--out", "clean", "--limit", "0"], "--limit"),
        (["run", "empty", "--out", "file/clean"], "Cannot write"),
        (["run", "empty", "--out", "clean", "--max-cost", "5"], "REMOVAL_PRICE"),
        (["submit", "empty", "--dry-run"], "No photo found"),
        (["budget", "99"], "no batch"),
        (["costs", "99"], "no batch"),
        (["frobnicate"], "no command"),
        (["status", "abc"], "abc"),
        (["status", "99"], "no batch"),
        (["pause", "99"], "no batch"),
    ],
)
def test_usage(cleanplate: Cleanplate, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    done = cleanplate(*arguments)
    assert done.code == 2, done.err
    assert message in done.err


@pytest.mark.usefixtures("nothing_configured")
@pytest.mark.parametrize("role", ["worker", "dispatcher"])
def test_a_role_is_told_where_the_servers_are(cleanplate: Cleanplate, role: str) -> None:
    done = cleanplate(role)
    assert (done.code, "DATABASE_URL" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("LOG_LEVEL", "LOUD", 2),
        ("ARTIFACT_STORE", "nowhere", 2),
        ("FETCH_ALLOW_PRIVATE", "///", 2),
        ("DATABASE_URL", "postgresql://me@host:notaport/x", 2),
        ("DATABASE_URL", "mysql://me@host/x", 2),
        ("REDIS_URL", "redis://127.0.0.1:notaport/0", 2),
        ("REDIS_URL", "http://127.0.0.1/0", 2),
        ("REDIS_URL", "redis://127.0.0.1:1/0", 5),
    ],
)
def test_a_wrong_setting_is_found_before_anything_starts(
    cleanplate: Cleanplate, tmp_path: Path, name: str, value: str, code: int
) -> None:
    photos = make_photos(tmp_path / "photos", 1)
    done = cleanplate("run", photos, "--out", "clean", **{name: value})
    assert done.code == code, done.err
    assert name in done.err


def test_originals_are_never_written_over(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 1)
    before = (photos / "p0000.jpg").read_bytes()
    for source, out in (("photos", "photos"), ("photos/p0000.jpg", "photos"), ("photos", "photos/../photos")):
        done = cleanplate("run", source, "--out", out)
        assert done.code == 2
        assert "overwritten" in done.err
    assert (photos / "p0000.jpg").read_bytes() == before


def test_a_database_that_is_down_is_temporary(cleanplate: Cleanplate) -> None:
    done = cleanplate("status", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.code == 5
    assert "PostgreSQL cannot be reached" in done.err


def test_a_password_never_shows(cleanplate: Cleanplate) -> None:
    for command in (["status"], ["doctor"], ["worker"]):
        done = (
            cleanplate(
                *command,
                DATABASE_URL="postgresql://me:hunter2@127.0.0.1:1/none",
                REDIS_URL="redis://:hunter2@127.0.0.1:1/0",
                REMOVAL_API_SECRET="hunter2",
                LOG_LEVEL="DEBUG",
            )
            if command != ["worker"]
            else cleanplate("doctor", REDIS_URL="redis://:hunter2@127.0.0.1:1/0")
        )
        assert "hunter2" not in done.out + done.err


def test_doctor_says_what_would_be_called(cleanplate: Cleanplate) -> None:
    done = cleanplate("doctor")
    assert done.code == 0, done.out
    assert "/rest/ai/image/removal" in done.out
    bad = cleanplate("doctor", REDIS_URL="redis://127.0.0.1:1/0")
    assert bad.code == 1
    assert "BAD  redis" in bad.out
