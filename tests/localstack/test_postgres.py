"""The embedded PostgreSQL: starts anywhere, keeps its data, and is gone when nobody uses it."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from core.errors import UnavailableError
from localstack.embedded import EmbeddedPostgres
from localstack.found import find_processes, is_running
from localstack.place import SOCKET_PATH_BYTES, remove_place
from tests.localstack.conftest import FAST, wait_until

HOLD = """
import sys, time
from pathlib import Path
from localstack.embedded import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"}).start()
print("ready", flush=True)
time.sleep(600)
"""


def make(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, settings=FAST)


def ask(url: str, statement: str) -> object:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


def servers(server: EmbeddedPostgres) -> list[int]:
    return find_processes("postgres", str(server.data))


def test_it_starts_stops_and_keeps_its_data(home: Path) -> None:
    with make(home) as server:
        assert server.url.startswith("postgresql+psycopg://")
        assert ask(server.url, "SELECT current_database()") == "cleanplate"
        ask(server.url, "CREATE TABLE kept (n int)")
        ask(server.url, "INSERT INTO kept VALUES (7)")
        assert len(servers(server)) == 1
    assert servers(server) == []
    server.stop()
    with make(home) as again:
        assert ask(again.url, "SELECT n FROM kept") == 7


def test_by_default_nothing_committed_is_lost_to_a_power_cut(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        names = ("fsync", "synchronous_commit", "full_page_writes")
        assert [ask(server.url, f"SHOW {name}") for name in names] == ["on", "on", "on"]
        assert ask(server.url, "SHOW listen_addresses") == ""


def test_the_home_may_be_relative(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.parent)
    with make(Path(home.name)) as server:
        monkeypatch.chdir("/")
        assert ask(server.url, "SELECT 1") == 1
        assert home.is_dir()


@pytest.mark.parametrize("name", ["a folder, 100% 'odd' \"ünd\" \\ so", "long" * 40])
def test_a_home_with_any_name_does(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    try:
        with make(folder) as server:
            assert ask(server.url, "SELECT 1") == 1
            server.restart()
            assert ask(server.url, "SELECT 1") == 1
            connection = psycopg.connect(server.url.replace("+psycopg", ""))
            assert len(os.fsencode(connection.info.host)) <= SOCKET_PATH_BYTES
            connection.close()
    finally:
        remove_place(folder)


def test_it_restarts_at_the_same_url(home: Path) -> None:
    with make(home) as server:
        before, url = servers(server), server.url
        server.restart()
        assert server.url == url
        assert ask(url, "SELECT 1") == 1
        assert servers(server) != before


def test_it_lives_until_its_last_user_leaves(home: Path) -> None:
    first, second = make(home), make(home)
    first.start()
    pids = servers(first)
    second.start()
    assert second.url == first.url
    first.stop()
    assert servers(second) == pids
    assert ask(second.url, "SELECT 1") == 1
    second.stop()
    assert servers(second) == []


def test_many_may_start_it_at_once(home: Path) -> None:
    many = [make(home) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(lambda server: server.start(), many))
    try:
        assert len(urls) == 1
        assert len(servers(many[0])) == 1
    finally:
        for server in many:
            server.stop()
    assert servers(many[0]) == []


def test_it_ends_when_its_user_is_killed(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        server = make(home)
        assert len(servers(server)) == 1
        holder.kill()
    wait_until(lambda: servers(server) == [])
    with server:
        assert ask(server.url, "SELECT 1") == 1


def test_a_server_whose_keeper_was_killed_is_ended_by_the_next_start(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        keeper = int((home / "locks" / "postgres.leash").read_text())
        holder.send_signal(signal.SIGSTOP)
        os.kill(keeper, signal.SIGKILL)
        holder.kill()
    server = make(home)
    left = servers(server)
    assert len(left) == 1
    with server:
        assert ask(server.url, "SELECT 1") == 1
        assert not is_running(left[0])
    assert servers(server) == []


def test_a_pid_file_that_names_a_stranger_does_not_stop_it(home: Path) -> None:
    with make(home) as server:
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    # After a reboot the id in the file may belong to anyone, here to this test.
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with make(home) as again:
        assert ask(again.url, "SELECT 1") == 1


def test_data_of_another_version_is_refused_and_left_alone(home: Path) -> None:
    with make(home) as server:
        pass
    (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(UnavailableError, match="written by PostgreSQL 12"):
        make(home).start()
    assert (server.data / "global").is_dir()


def test_a_broken_setting_ends_with_the_servers_own_words(home: Path) -> None:
    with pytest.raises(UnavailableError, match=r"(?s)did not start.*shared_bufers"):
        EmbeddedPostgres(home, settings={"shared_bufers": "1MB"}).start()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(UnavailableError, match="CLEANPLATE_HOME"):
            make(home)


def test_an_interrupted_first_start_leaves_no_process_and_no_half_made_data(home: Path) -> None:
    looks = 0

    def interrupt() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt

    server = EmbeddedPostgres(home, settings=FAST, check=interrupt)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert not server.data.exists()
    assert list(server.data.parent.glob("postgres.new-*")) == []
    with make(home) as again:
        assert ask(again.url, "SELECT 1") == 1


def test_it_starts_again_after_it_died(home: Path) -> None:
    with make(home) as server:
        os.kill(servers(server)[0], signal.SIGKILL)
        wait_until(lambda: servers(server) == [])

        def is_back() -> bool:
            server.keep_running()
            return len(servers(server)) == 1

        wait_until(is_back)
        assert ask(server.url, "SELECT 1") == 1


def test_its_socket_is_closed_to_other_users(home: Path) -> None:
    with make(home) as server:
        assert server.data.stat().st_mode & 0o077 == 0
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.data / ".s.PGSQL.5432"))
