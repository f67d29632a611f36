"""PgBouncer: sessions of our own are used as they are; sessions that go round are refused by everything that starts."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from core.errors import UsageError
from db.migrate import upgrade
from db.session import make_engine
from localstack.place import find_place
from tests.compatibility.daemons import OWNER, OtherPostgres, Pooler
from tests.compatibility.presence import find_program
from tests.compatibility.way import go_all_the_way
from tests.servers import Servers

pytestmark = pytest.mark.slow

REFUSAL = "set pool_mode = session for this database and user, or let DATABASE_URL name PostgreSQL itself."
ROLES = (["worker"], ["dispatcher"], ["web"], ["db", "upgrade"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherPostgres]:
    """A PostgreSQL that poolers stand before."""
    find_program("pgbouncer")
    with OtherPostgres(find_place(tmp_path_factory.mktemp("home")).binaries) as started:
        yield started


def test_a_batch_goes_all_the_way_where_each_connection_has_its_session(
    tmp_path: Path, server: OtherPostgres, redis_url: str
) -> None:
    with Pooler(find_program("pgbouncer"), server, "session") as pooler:
        upgrade(pooler.url)
        with make_engine(pooler.url, pooled=False, is_by_key=True, lock_seconds=1.0).connect() as connection:
            shown = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in TOLD]
        assert shown == list(TOLD.values())
        go_all_the_way(tmp_path, Servers(pooler.url, redis_url))


def test_a_pool_that_just_fits_is_enough_for_all_who_come_at_once(server: OtherPostgres) -> None:
    wanted = 16
    settings = {"default_pool_size": str(wanted), "query_wait_timeout": "15"}
    with Pooler(find_program("pgbouncer"), server, "session", settings) as pooler, ExitStack() as held:
        engine = make_engine(pooler.url, pool_size=wanted, is_strict=True, is_by_key=True, lock_seconds=1.0)
        held.callback(engine.dispose)
        together = threading.Barrier(wanted)

        def connect(_: int) -> Connection:
            together.wait()
            return engine.connect()

        with ThreadPoolExecutor(wanted) as threads:
            attempts = [threads.submit(connect, number) for number in range(wanted)]
        told = [str(attempt.exception()) for attempt in attempts if attempt.exception() is not None]
        connections = [held.enter_context(each.result()) for each in attempts if each.exception() is None]
        assert (len(connections), told) == (wanted, [])
        # Each is a session of its own, in which everything holds.
        for connection in connections:
            shown = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in TOLD]
            assert shown == list(TOLD.values())
        sessions = {connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for connection in connections}
        assert len(sessions) == wanted


def test_how_a_pooler_hands_out_sessions_is_asked_once_for_each_engine(server: OtherPostgres) -> None:
    with Pooler(find_program("pgbouncer"), server, "session") as pooler:
        opened: list[object] = []
        engine = make_engine(pooler.url, pooled=False)
        connect = engine.dialect.connect

        def counted(*words: object, **arguments: object) -> object:
            opened.append(arguments)
            return connect(*words, **arguments)

        engine.dialect.connect = counted  # type: ignore[assignment, method-assign]
        for _ in range(3):
            engine.connect().close()
        assert len(opened) == 3 + 1


TOLD = {"statement_timeout": "1min", "lock_timeout": "1s", "enable_seqscan": "off", "timezone": "UTC"}


@pytest.mark.parametrize("fair", ["0", "1"], ids=["last first", "in turn"])
@pytest.mark.parametrize("size", ["1", "2", "20"])
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_sessions_that_go_round_are_found_however_they_do(
    server: OtherPostgres, mode: str, size: str, fair: str
) -> None:
    settings = {"default_pool_size": size, "server_round_robin": fair}
    with Pooler(find_program("pgbouncer"), server, mode, settings) as pooler:
        open_sessions(pooler, int(size))
        with pytest.raises(UsageError, match=REFUSAL):
            make_engine(pooler.url, pooled=False, is_by_key=True).connect()
        # What others get next has nothing of ours in it.
        with psycopg.connect(pooler.url, autocommit=True) as other:
            shown = {str(other.execute("SHOW enable_seqscan", prepare=False).fetchone()) for _ in range(int(size) * 2)}
        assert shown == {"('on',)"}


def open_sessions(pooler: Pooler, count: int) -> None:
    """Let a pooler have so many of the server's that nobody uses."""
    if pooler.mode == "statement":
        return
    held = [psycopg.connect(pooler.url, prepare_threshold=None) for _ in range(count)]
    for each in held:
        each.execute("SELECT 1")
    for each in held:
        each.rollback()
        each.close()


def test_everything_that_starts_refuses_them_in_one_line_and_does_nothing(
    tmp_path: Path, server: OtherPostgres, redis_url: str
) -> None:
    server.execute(f"CREATE DATABASE untouched OWNER {OWNER}")
    with Pooler(find_program("pgbouncer"), server, "transaction", database="untouched") as pooler:
        environment = {
            **os.environ,
            "PYTHONPATH": os.getcwd(),
            "DATABASE_URL": pooler.url,
            "REDIS_URL": redis_url,
            "CLEANPLATE_HOME": str(tmp_path / "home"),
            "REMOVAL_API_URL": "http://127.0.0.1:1/",
            "REMOVAL_API_KEY": "sandbox",
            "REMOVAL_API_SECRET": "sandbox",
        }
        (tmp_path / "photo.jpg").write_bytes(b"")

        def start(*words: str) -> "subprocess.Popen[str]":
            command = [sys.executable, "-P", "-m", "cli.main", *words]
            return subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )

        started = {" ".join(words): start(*words) for words in [*ROLES, ["doctor"]]}
        told = {name: process.communicate(timeout=150)[0] for name, process in started.items()}
        assert {name: process.returncode for name, process in started.items()} == dict.fromkeys(started, 2) | {
            "doctor": 1
        }, told
        assert [name for name, text in told.items() if REFUSAL not in text] == [], told
        assert [line for line in told["doctor"].splitlines() if "BAD  database" in line and REFUSAL in line]
        # One clear line, and nothing beside it.
        told.pop("doctor")
        assert [name for name, text in told.items() if len(text.splitlines()) > 2] == [], told
    with psycopg.connect(server.url.removesuffix(OWNER) + "untouched") as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)
