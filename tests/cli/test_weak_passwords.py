"""A role does not start with a password that keeps nobody out, and starts with all that a sane person has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.running.passwords import refuse_weak_passwords
from core.errors import UsageError
from core.settings import Settings

STRONG = "0f3a9c2be41d7780aa61c5d2"
EVERYTHING = ("DATABASE_URL", "REDIS_URL", "FLOWER_BASIC_AUTH")


@pytest.fixture(autouse=True)
def nothing_is_told_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [each for each in os.environ if each.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def look(**told: str) -> None:
    auth = SecretStr(told.pop("flower_basic_auth", ""))
    refuse_weak_passwords(Settings(_env_file=None, flower_basic_auth=auth, **told), *EVERYTHING)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "told", "flaw"),
    [
        ("database_url", "postgresql://postgres:postgres@10.0.0.4/app", "shorter"),
        ("database_url", "postgres://app:change-me-please@db/app", "tried first"),
        ("database_url", "postgresql://warehouse-app:warehouse-app@db/app", "the name"),
        ("database_url", "postgresql://app:cleanplate%2Dcleanplate@db/app", "tried first"),
        ("database_url", "postgresql://app@db/app?password=short", "shorter"),
        ("redis_url", "redis://:redis@redis/0", "shorter"),
        ("redis_url", "redis://redis/0?password=password1234", "tried first"),
        ("database_url", "postgresql://app:short@/app?host=127.0.0.1,10.0.0.4", "shorter"),
        ("flower_basic_auth", "ops:1234567", "shorter than 8"),
    ],
)
def test_weak_passwords_are_refused(name: str, told: str, flaw: str) -> None:
    with pytest.raises(UsageError) as refused:
        look(**{name: told})
    message = str(refused.value)
    assert name.upper() in message
    assert flaw in message
    assert "openssl rand -hex 24" in message
    assert "\n" not in message
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("auth", ["ops:12345678901", "operations12:operations12"])
def test_flower_asks_for_more_where_others_reach_it(auth: str) -> None:
    look(flower_basic_auth=auth)
    with pytest.raises(UsageError, match="FLOWER_BASIC_AUTH"):
        look(flower_basic_auth=auth, flower_host="0.0.0.0")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("database_url", "postgresql://app@db.internal/app"),
        ("database_url", "postgresql://app:@db.internal/app"),
        ("database_url", "postgresql://app@/app?host=db.internal"),
        ("database_url", "postgresql://app@/app?host=127.0.0.1,10.0.0.4"),
        ("redis_url", "redis://redis.internal/0"),
        ("redis_url", "rediss://cache.example:6380/0"),
    ],
)
def test_a_server_that_asks_nobody_is_warned_of(name: str, told: str, caplog: pytest.LogCaptureFixture) -> None:
    look(**{name: told})
    assert f"{name.upper()} has no password" in caplog.text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("database_url", ""),
        ("database_url", f"postgresql://app:{STRONG}@db.internal/app"),
        ("database_url", "postgresql://postgres:postgres@127.0.0.1/app"),
        ("database_url", "postgresql://me@localhost:5433/app"),
        ("database_url", "postgresql://me@[::1]/app"),
        ("database_url", "postgresql:///app"),
        ("database_url", "postgresql+psycopg://postgres@/cleanplate?host=/tmp/sockets&port=5432"),
        ("database_url", "postgresql://app@db/app?sslcert=/etc/app.crt&sslkey=/etc/app.key"),
        ("database_url", "postgresql://app@db/app?passfile=/run/secrets/pgpass"),
        ("database_url", "postgresql://iam-user:db.eu-west-1.rds.example%3A5432%2F%3FAction%3Dconnect@rds/app"),
        ("database_url", "no URL at all"),
        # Whoever connects says what is wrong with it.
        ("database_url", "mysql://me@host/app"),
        ("redis_url", "redis://127.0.0.1:6379/0"),
        ("redis_url", "redis://localhost/0"),
        ("redis_url", "unix:///run/redis.sock"),
        ("redis_url", f"rediss://default:{STRONG}@cache/0"),
        ("redis_url", "rediss://cache/0?ssl_certfile=/etc/app.crt&ssl_keyfile=/etc/app.key"),
        ("flower_basic_auth", ""),
        ("flower_basic_auth", f"ops:{STRONG}"),
    ],
)
def test_what_a_sane_person_has_is_taken(name: str, told: str) -> None:
    look(**{name: told})


@pytest.mark.parametrize("variable", ["PGPASSFILE", "PGSERVICE", "PGSSLCERT"])
def test_a_secret_that_libpq_finds_elsewhere_is_no_missing_one(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "there")
    look(database_url="postgresql://app@db.internal/app")


def test_a_password_of_the_environment_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", STRONG)
    look(database_url="postgresql://app@db.internal/app")
    monkeypatch.setenv("PGPASSWORD", "postgres")
    with pytest.raises(UsageError, match="shorter"):
        look(database_url="postgresql://app@db.internal/app")


def test_a_server_that_only_the_environment_names_is_none_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.internal")
    with pytest.raises(UsageError, match="shorter"):
        look(database_url="postgresql://app:short@/app")


def test_a_file_of_passwords_counts(tmp_path: Path) -> None:
    (tmp_path / ".pgpass").write_text(f"db.internal:5432:app:app:{STRONG}\n")
    look(database_url="postgresql://app@db.internal/app")


@pytest.mark.parametrize(
    ("command", "weak"),
    [
        (("web",), "DATABASE_URL"),
        (("web",), "FLOWER_BASIC_AUTH"),
        (("dispatcher",), "REDIS_URL"),
        (("worker",), "DATABASE_URL"),
        (("flower",), "FLOWER_BASIC_AUTH"),
        (("flower",), "REDIS_URL"),
        (("db", "upgrade"), "DATABASE_URL"),
        (("up",), "DATABASE_URL"),
        (("run", "photos", "--out", "clean"), "REDIS_URL"),
    ],
)
def test_every_role_refuses_in_one_line(tmp_path: Path, command: tuple[str, ...], weak: str) -> None:
    (tmp_path / "photos").mkdir()
    # Names that nobody knows: whoever looked there, rather than at the password, would say that nothing answers.
    told = {
        "DATABASE_URL": f"postgresql://app:{STRONG}@nowhere.invalid/app",
        "REDIS_URL": f"redis://:{STRONG}@nowhere.invalid/0",
        "FLOWER_BASIC_AUTH": f"ops:{STRONG}",
        "REMOVAL_API_KEY": "key",
    }
    told[weak] = {
        "DATABASE_URL": "postgresql://app:hunter2@nowhere.invalid/app",
        "REDIS_URL": "redis://:hunter2@nowhere.invalid/0",
        "FLOWER_BASIC_AUTH": "ops:hunter2",
    }[weak]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *command],
        cwd=tmp_path,
        env={**told, "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("cleanplate: Weak passwords are refused:")
    assert weak in line
    assert "hunter2" not in done.stderr + done.stdout
