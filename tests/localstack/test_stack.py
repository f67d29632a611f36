"""The whole local stack: starts what is missing, shares it, and leaves no process behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psycopg
import pytest
from redis import Redis
from sqlalchemy import make_url

from cli.flower.address import with_flower
from core.errors import UnavailableError, UsageError
from core.settings import Settings, load_settings
from db.migrate import is_current, upgrade
from db.session import make_engine
from localstack.found import find_processes, is_running
from localstack.place import find_place
from localstack.ports import free_port
from localstack.roles import Endpoints, make_children, stop_seconds
from localstack.stack import RUN_ROLES, UP_ROLES, LocalStack
from sandbox import erasers
from tests.localstack.conftest import wait_until

ROLES = frozenset({"postgres", "valkey", "sandbox", "dispatcher"})

HOLD = """
import sys, time
from pathlib import Path
from localstack.stack import LocalStack
from core.settings import load_settings
from db.migrate import upgrade
settings = load_settings(cleanplate_home=Path(sys.argv[1]))
print("begun", flush=True)
with LocalStack(settings, roles=frozenset(sys.argv[2].split(",")), migrate=upgrade) as stack:
    print(*stack.pids, flush=True)
    while True:
        stack.check()
        time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    )


@pytest.fixture
def settings(home: Path) -> Iterator[Settings]:
    yield load_settings(cleanplate_home=home)
    wait_until(lambda: servers(home) == [])


def servers(home: Path) -> list[int]:
    if not home.exists():
        return []
    valkey = find_processes("valkey-server", str(home.resolve() / "valkey" / "valkey.conf"))
    return valkey + find_processes("postgres", str(find_place(home.resolve()).data))


def hold(home: Path, roles: frozenset[str] = ROLES) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", HOLD, str(home), ",".join(roles)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"begun\n"
    return holder


def pids_of(holder: "subprocess.Popen[bytes]") -> list[int]:
    assert holder.stdout is not None
    return [int(word) for word in holder.stdout.readline().split()]


def test_only_a_stack_that_is_thrown_away_waits_for_no_disk(settings: Settings) -> None:
    found: list[str] = []

    def ask(url: str) -> None:
        with closing(psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string())) as connection:
            found.extend(connection.execute("SHOW fsync").fetchone() or ())

    for is_durable in (False, True):
        with LocalStack(settings, roles=frozenset({"postgres"}), migrate=ask, is_durable=is_durable):
            pass
    assert found == ["off", "on"]


def test_everything_starts_and_nothing_is_left(settings: Settings, home: Path) -> None:
    with LocalStack(settings, roles=RUN_ROLES, migrate=upgrade) as stack:
        assert is_current(make_engine(stack.endpoints.database_url, pooled=False))
        with Redis.from_url(stack.endpoints.redis_url) as client:
            assert client.ping()
        assert stack.endpoints.api_url.endswith("/rest/ai/image/removal")
        pids = stack.pids
        assert len(pids) == 3
        assert len(servers(home)) == 2
        stack.check()
        assert (home / "stack.json").stat().st_mode & 0o077 == 0
    assert not any(is_running(pid) for pid in pids)
    assert servers(home) == []
    assert not (home / "stack.json").exists()


def test_the_whole_of_up_starts_on_any_port_of_the_web(home: Path) -> None:
    port = free_port()
    settings = with_flower(load_settings(cleanplate_home=home, web_port=port, flower_port=free_port()))
    with LocalStack(settings, roles=UP_ROLES, migrate=upgrade) as stack:
        # Its own processes: sandbox, dispatcher, worker, Flower and web.
        assert len(stack.pids) == 5
        assert httpx.get(f"http://127.0.0.1:{port}/v1/openapi.json").status_code == 200


def test_a_sandbox_that_cannot_erase_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(erasers, "NEEDED", ("json", "no_such_package"))
    with LocalStack(settings, roles=frozenset({"sandbox"}), migrate=upgrade, flaw_of_sandbox=erasers.why_plain):
        pass
    assert "no_such_package not installed" in capsys.readouterr().err


def test_a_database_alone_starts_nothing_else(settings: Settings, home: Path) -> None:
    with LocalStack(settings, roles=frozenset({"postgres"}), migrate=upgrade) as stack:
        assert stack.pids == []
        assert len(servers(home)) == 1
        stack.check()


def test_what_is_configured_is_not_started(database_url: str, redis_url: str, home: Path) -> None:
    settings = load_settings(cleanplate_home=home, database_url=database_url, redis_url=redis_url)
    with LocalStack(settings, roles=frozenset({"postgres", "valkey"}), migrate=upgrade) as stack:
        assert stack.endpoints == Endpoints(database_url, redis_url, "")
        assert servers(home) == []


def test_a_second_process_joins_and_takes_over(settings: Settings, home: Path) -> None:
    with hold(home) as holder:
        pids = pids_of(holder)
        with LocalStack(settings, roles=ROLES, migrate=upgrade) as stack:
            assert stack.pids == []
            assert stack.endpoints.api_url == json.loads((home / "stack.json").read_text())["api_url"]
            up = servers(home)
            holder.send_signal(signal.SIGTERM)
            holder.communicate(timeout=120)
            assert not any(is_running(pid) for pid in pids)
            assert servers(home) == up
            stack.check()
            assert len(stack.pids) == 2


def test_other_settings_do_not_share_workers(home: Path) -> None:
    with LocalStack(load_settings(cleanplate_home=home), roles=ROLES, migrate=upgrade):
        other = load_settings(cleanplate_home=home, removal_api_key="key", removal_api_secret="hush")
        with (
            pytest.raises(UsageError, match="CLEANPLATE_HOME") as caught,
            LocalStack(other, roles=ROLES, migrate=upgrade),
        ):
            pass
        assert "hush" not in str(caught.value)
        assert len(servers(home)) == 2


def test_nothing_outlives_a_killed_owner(settings: Settings, home: Path) -> None:
    with hold(home) as holder:
        pids = pids_of(holder)
        assert len(pids) == 2
        assert len(servers(home)) == 2
        holder.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids) and servers(home) == [])
    with LocalStack(settings, roles=ROLES, migrate=upgrade) as stack:
        stack.check()


@pytest.mark.parametrize(
    ("number", "seconds"), [(signal.SIGINT, 0.05), (signal.SIGTERM, 0.3), (signal.SIGHUP, 0.6), (signal.SIGINT, 1.1)]
)
def test_a_signal_during_start_stops_what_was_started(home: Path, number: signal.Signals, seconds: float) -> None:
    with hold(home) as holder:
        threading.Event().wait(seconds)  # any moment will do; none has a condition to await
        holder.send_signal(number)
        _, errors = holder.communicate(timeout=120)
    assert b"KeyboardInterrupt" in errors
    assert servers(home) == []
    assert _none_of(home)


def test_a_step_that_fails_stops_what_was_started(settings: Settings, home: Path) -> None:
    def fail(_: str) -> None:
        assert len(servers(home)) == 2
        raise UnavailableError("no luck")

    with pytest.raises(UnavailableError, match="no luck"), LocalStack(settings, roles=ROLES, migrate=fail):
        pass
    assert servers(home) == []


def test_children_get_everything_by_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("removal_rate", "1")
    settings = load_settings(cleanplate_home=home, removal_rate=7.5, removal_api_secret="left over", worker_processes=2)
    servers = Endpoints("postgresql://u:hush@h/d", "redis://:hush@h/0", "")
    children, api_url = make_children(settings, RUN_ROLES, servers, home=home, keeps=())
    assert [child.name for child in children] == ["sandbox", "dispatcher", "worker-1", "worker-2"]
    assert not any("hush" in word for child in children for word in child.argv)
    env = children[-1].env
    port = api_url.split(":")[2].split("/")[0]
    assert (env["DATABASE_URL"], env["REDIS_URL"]) == (servers.database_url, servers.redis_url)
    assert env["REMOVAL_API_URL"] == api_url
    assert env["FETCH_ALLOW_PRIVATE"] == f"127.0.0.1:{port}"
    assert "removal_rate" not in env
    monkeypatch.undo()
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    read = load_settings()
    assert (read.removal_rate, read.api_secret, read.on_maybe_billed) == (7.5, "sandbox", settings.on_maybe_billed)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 120.0), ({"removal_timeout": 4.0}, 4.0), ({"removal_api_key": "k"}, 30.0)],
    ids=["nothing set", "set", "no sandbox"],
)
def test_calls_wait_longer_for_a_sandbox_on_this_machine_unless_told(
    home: Path, given: dict[str, object], seconds: float
) -> None:
    settings = load_settings(cleanplate_home=home, **given)
    children, _ = make_children(settings, RUN_ROLES, Endpoints("", "", settings.api_url), home=home, keeps=())
    assert {child.env["REMOVAL_TIMEOUT"] for child in children} == {str(seconds)}
    assert stop_seconds(settings) > seconds
    assert children[-1].orphan_seconds == stop_seconds(settings)


def test_a_folder_of_the_users_is_not_imported_for_ours(settings: Settings, tmp_path: Path) -> None:
    for name in ("core", "db", "cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(9)")
    with LocalStack(settings, roles=ROLES, migrate=upgrade) as stack:
        stack.check()
        assert len(stack.pids) == 2


def _none_of(home: Path) -> bool:
    """Whether no process was started with this home in its environment."""
    wanted = f"CLEANPLATE_HOME={home}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    return False
            except OSError:
                continue
    return True
