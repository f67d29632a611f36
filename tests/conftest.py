"""Real servers for every test: one PostgreSQL and one Valkey per test process, and in them a database for each test."""

import gc
import itertools
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from redis import Redis
from sqlalchemy import Engine, make_url
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from core.buckets import open_bucket_client
from core.settings import Settings
from db.session import make_engine
from localstack.embedded import EmbeddedPostgres, EmbeddedValkey
from localstack.rooted import remove_moved_below
from tests.locks import locks_in_one_order  # noqa: F401 - a fixture for every test
from tests.servers import FAST, Servers, make_server_home

# How long an example takes says something of the machine, and nothing of what it tries.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TEMPLATE = "template_of_tests"
BUCKET = "bucket-of-tests"
REDIS_DATABASES = 16
"""Of an unconfigured server. Each test takes the next but the first, which is what the whole session shares."""

SHARED_STACKS = ("tests/browser", "tests/ops")
"""Folders whose tests share one stack each."""

GARBAGE = (20_000, 20, 50)
"""How much of it is let lie: what tests make is small beside what they import."""

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Let Ctrl-C and a hangup reach what tests start, also where this process ignores them (nohup, `&`)."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            # Only what is ignored is handed on to other programs; a handler is not.
            signal.signal(number, _ignore)


def pytest_collection_finish() -> None:
    """Keep what was imported and collected out of garbage collection: going through it took a quarter of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _ignore(*_: object) -> None:
    pass


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Return what keeps tests that share a whole stack in one process, so that it is started once."""
    return StackScheduling(config, log)


class StackScheduling(LoadScopeScheduling):
    """Hands out test by test, but those of a shared stack together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARED_STACKS if nodeid.startswith(f"{folder}/")), nodeid)


@pytest.fixture(scope="session", autouse=True)
def leave_nothing_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Delete what servers in pytest's folders, which are closed to root's PostgreSQL, kept elsewhere."""
    yield
    remove_moved_below(tmp_path_factory.getbasetemp().resolve())


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """Yield a short-named folder for this test process' servers: a socket's path must be short, and root's passable."""
    folder = make_server_home()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_home: Path) -> Iterator[EmbeddedPostgres]:
    """Yield this test process' PostgreSQL."""
    with EmbeddedPostgres(server_home, settings=FAST) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres: EmbeddedPostgres) -> str:
    """Return the URL of this test process' PostgreSQL; its database is nobody's, tests take `database_url`."""
    return postgres.url


@pytest.fixture(scope="session")
def valkey(server_home: Path) -> Iterator[EmbeddedValkey]:
    """Yield this test process' Valkey."""
    with EmbeddedValkey(server_home) as server:
        yield server


@pytest.fixture(scope="session")
def s3_settings() -> Iterator[Settings]:
    """Yield settings of a server that speaks S3, with one bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = Settings(
        _env_file=None,
        s3_endpoint_url=f"http://{host}:{port}",
        s3_region="eu-west-1",
        s3_access_key_id="key",
        s3_secret_access_key="secret",
    )
    where = {"LocationConstraint": "eu-west-1"}
    open_bucket_client(found).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    yield found
    server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """Return the name of a database with the newest schema, to clone."""
    from db.migrate import upgrade

    _run(postgres, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    upgrade(postgres.url_of(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database, which is dropped afterwards whoever is still connected."""
    name = f"test_{next(_numbers)}"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    _run(postgres, clone.format(sql.Identifier(name), sql.Identifier(migrated_template)))
    yield postgres.url_of(name)
    _run(postgres, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    """Return the URL of an empty database of this test process' Valkey, which no test before had for a while."""
    url = f"{valkey.url.rpartition('/')[0]}/{1 + next(_numbers) % (REDIS_DATABASES - 1)}"
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator["Redis"]:
    """Yield a client of the test's database in Valkey."""
    with Redis.from_url(redis_url) as client:
        yield client


def _run(server: EmbeddedPostgres, statement: sql.Composed) -> None:
    url = make_url(server.url_of("postgres")).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def servers(database_url: str, redis_url: str) -> Servers:
    """Return the test's database and Redis, for processes of its own."""
    return Servers(database_url, redis_url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Yield an engine on a fresh, migrated database; it keeps its connections, as a new one is a new process."""
    made = make_engine(database_url, pool_size=16)
    yield made
    made.dispose()
