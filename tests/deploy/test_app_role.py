"""What Cleanplate connects with owns the schema of its database and no more, and all roles work with that."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from redis import Redis
from sqlalchemy import Engine, make_url, text

from db.migrate import configuration, newest_revision, upgrade
from db.models import Base
from db.session import make_engine
from localstack.embedded import EmbeddedPostgres, EmbeddedValkey
from localstack.place import find_place, remove_place
from localstack.ports import LOOPBACK, free_port, listens
from tests.chaos.fleet import Fleet, Role, make_photos
from tests.deploy.reading import ROOT, read_by
from tests.deploy.test_told import told_to
from tests.servers import FAST, Servers, make_server_home

PASSWORD = "it's-of-the-application"
PHOTOS = 6
RECORDER = """
import os
from core.settings import Settings

_read, _get, _fields = set(), Settings.__getattribute__, frozenset(Settings.model_fields)

def _note(self, name):
    if name in _fields and name not in _read:
        _read.add(name)
        with open(os.environ["READ_SETTINGS"], "a") as file:
            file.write(name.upper() + "\\n")
    return _get(self, name)

Settings.__getattribute__ = _note
"""
"""Notes which settings a process reads; Python runs it before anything else."""


class Container:
    """A PostgreSQL with the scripts where its container has them; its data as `initdb` leaves it."""

    def __init__(self, folder: Path) -> None:
        self.postgres = EmbeddedPostgres(make_server_home(), settings=FAST)
        self.postgres.start()
        self.scripts = folder
        for name in ("init", "upgrade"):
            there = folder / f"docker-entrypoint-{'initdb' if name == 'init' else name}.d"
            shutil.copytree(ROOT / "deploy" / "postgres" / name, there)

    def psql(self, script: str, user: str = "postgres") -> None:
        """Run one of the scripts as a superuser."""
        url = make_url(self.postgres.url)
        told = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(url.query["host"]), "-p", "5432", "-U", user]
        program = find_place(self.postgres.home).binaries / "psql"
        environment = {"PATH": os.environ["PATH"], "DATABASE_PASSWORD": PASSWORD, "POSTGRES_PASSWORD": "of-superusers"}
        done = subprocess.run(
            [program, *told, "-d", "cleanplate", "-f", self.scripts / script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def url_of(self, user: str, database: str = "cleanplate") -> str:
        """Return the URL of a database, for somebody."""
        url = make_url(self.postgres.url_of(database)).set(username=user)
        return url.render_as_string(hide_password=False)

    def connect(self, user: str, database: str = "cleanplate") -> "psycopg.Connection[tuple[object, ...]]":
        """Return a connection of somebody."""
        url = make_url(self.url_of(user, database)).set(drivername="postgresql")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def stop(self) -> None:
        """End it and forget its data."""
        self.postgres.stop()
        remove_place(self.postgres.home)
        shutil.rmtree(self.postgres.home, ignore_errors=True)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def fresh(container: Container) -> Container:
    """Return one that has just made its data."""
    container.psql("docker-entrypoint-initdb.d/app_role.sql")
    return container


def assert_is_only_owner(container: Container) -> None:
    with container.connect("postgres") as connection:
        may = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin"
        found = connection.execute(f"SELECT {may} FROM pg_roles WHERE rolname = 'cleanplate'").fetchone()
        assert found == (False, False, False, False, False, True)
        owned = "SELECT nspname FROM pg_namespace WHERE nspowner = 'cleanplate'::regrole"
        assert connection.execute(owned).fetchall() == [("public",)]
        assert not connection.execute("SELECT FROM pg_database WHERE datdba = 'cleanplate'::regrole").fetchall()
        member_of = "SELECT FROM pg_auth_members WHERE member = 'cleanplate'::regrole"
        assert not connection.execute(member_of).fetchall()
        kept = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'cleanplate'").fetchone()
        assert kept is not None
        assert str(kept[0]).startswith("SCRAM-SHA-256$")


REFUSED = [
    "CREATE DATABASE mine",
    "CREATE ROLE mine",
    "ALTER ROLE cleanplate SUPERUSER",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION file_fdw",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT rolpassword FROM pg_authid",
    "ALTER SYSTEM SET log_statement = 'none'",
    "SET ROLE postgres",
    "ALTER DATABASE cleanplate SET log_statement = 'none'",
    "SET session_replication_role = 'replica'",
    "CHECKPOINT",
]


def test_the_role_owns_its_schema_and_no_more(fresh: Container) -> None:
    assert_is_only_owner(fresh)
    with fresh.connect("cleanplate") as connection:
        for statement in REFUSED:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
                connection.execute(statement)
        # What an intake reads is put there first.
        connection.execute("CREATE TEMPORARY TABLE mine (id int)")
        connection.execute("CREATE TABLE public.mine (id int)")
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            fresh.connect("cleanplate", database)


def test_nobody_else_may_look(fresh: Container) -> None:
    with fresh.connect("postgres") as connection:
        connection.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        fresh.connect("stranger")
    with fresh.connect("postgres") as connection:
        connection.execute("GRANT CONNECT ON DATABASE cleanplate TO stranger")
    upgrade(fresh.url_of("cleanplate"))
    with fresh.connect("stranger") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT count(*) FROM public.jobs")


def test_every_migration_runs_both_ways(fresh: Container) -> None:
    engine = make_engine(fresh.url_of("cleanplate"), pooled=False)
    upgrade(fresh.url_of("cleanplate"))
    assert_has_the_newest_schema(engine)
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    upgrade(fresh.url_of("cleanplate"))
    assert_has_the_newest_schema(engine)


def assert_has_the_newest_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest_revision()
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_data_of_a_superuser_is_handed_over_whole(container: Container) -> None:
    # As it was made before: the server's first superuser is called as the application, and all is its own.
    with container.connect("postgres") as connection:
        connection.execute("CREATE ROLE renaming LOGIN SUPERUSER")
    with container.connect("renaming") as connection:
        connection.execute("ALTER ROLE postgres RENAME TO cleanplate")
    with container.connect("cleanplate") as connection:
        connection.execute("DROP ROLE renaming")
    upgrade(container.url_of("cleanplate"))
    with container.connect("cleanplate") as connection:
        connection.execute("INSERT INTO users (name, role, form_key) VALUES ('ann', 'admin', 'x')")
    container.psql("docker-entrypoint-upgrade.d/from_superuser.sql", "cleanplate")
    assert_is_only_owner(container)
    with container.connect("postgres") as connection:
        assert connection.execute("SELECT FROM pg_roles WHERE rolname LIKE 'moving%'").fetchall() == []
        others = " UNION ALL ".join(
            f"SELECT {kind}name FROM {table} WHERE {kind}namespace = 'public'::regnamespace "
            f"AND {kind}owner <> 'cleanplate'::regrole"
            for table, kind in (("pg_class", "rel"), ("pg_proc", "pro"), ("pg_type", "typ"))
        )
        assert connection.execute(others).fetchall() == []
    with container.connect("cleanplate") as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("ann",)]
    engine = make_engine(container.url_of("cleanplate"), pooled=False)
    config = configuration()
    with engine.connect() as open_connection:
        config.attributes["connection"] = open_connection
        # Only owners may change tables and functions.
        command.downgrade(config, "base")
    upgrade(container.url_of("cleanplate"))
    assert_has_the_newest_schema(engine)


class ToldFleet(Fleet):
    """A fleet whose processes know what their containers are told, and no other variable."""

    def start(self, name: str, **extra: str) -> Role:
        """Start one; what it reads of its settings is noted beside its log."""
        told = {each: value for each, value in self.environment(**extra).items() if each in told_to(name)}
        told |= {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{self.folder / 'recorder'}{os.pathsep}{ROOT}",
            "CLEANPLATE_HOME": str(self.folder / "home"),
            "READ_SETTINGS": str(self.folder / f"{name}.read"),
        }
        role = Role(name, told, self.folder / f"{name}-{len(self.roles)}.log")
        self.roles.append(role)
        return role


def test_every_role_works_with_what_it_is_told(fresh: Container, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    servers = Servers(fresh.url_of("cleanplate"), valkey.url)
    with Redis.from_url(valkey.url) as client:
        client.flushdb()
    upgrade(servers.database_url)
    ports = {"web": free_port(), "flower": free_port()}
    settings = {
        "WEB_PORT": str(ports["web"]),
        "FLOWER_PORT": str(ports["flower"]),
        "FLOWER_BASIC_AUTH": "ops:0f3a9c2be41d7780",
    }
    folder = tmp_path / "fleet"
    (folder / "recorder").mkdir(parents=True)
    (folder / "recorder" / "sitecustomize.py").write_text(RECORDER)
    with ToldFleet(folder, rate=20, latency=0.05, servers=servers, settings=settings) as fleet:
        for role in ("web", "dispatcher", "worker", "flower"):
            fleet.start(role)
        for port in ports.values():
            fleet.wait_until(lambda port=port: listens(LOOPBACK, port), 120)  # type: ignore[misc]
        batch = fleet.submit(make_photos(folder / "photos", PHOTOS))
        fleet.wait_for_done(batch, PHOTOS)
        assert fleet.counts(batch).succeeded == PHOTOS
        assert [each.name for each in fleet.roles if each.process.poll() is not None] == []
    for name in ("web", "dispatcher", "worker", "flower"):
        read = set((folder / f"{name}.read").read_text().split())
        assert len(read) > 5
        # What the code was found to read is no less than what it reads; where Flower listens only says how strong its
        # password has to be, and Flower itself is told.
        assert read - {"FLOWER_HOST"} <= read_by(name), name
