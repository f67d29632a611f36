"""A PostgreSQL that fails over: for some seconds it only reads, and then another one writes."""

import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text

from cli.running.findings import examine
from core.settings import Settings
from db.migrate import upgrade
from db.session import make_engine, transact
from localstack.place import find_place
from localstack.ports import LOOPBACK
from tests.chaos.fleet import Fleet, make_photos
from tests.compatibility.daemons import OWNER, PASSWORD, OtherPostgres
from tests.compatibility.way import LONG, rest
from tests.servers import Servers

PHOTOS = 40
READS_SECONDS = 3.0
"""What is promised does not depend on it, up to the patience of two minutes that a paid answer has."""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("ends", [True, False], ids=["sessions end", "sessions live on"])
def test_nothing_is_lost_or_paid_twice_while_the_database_only_reads(
    tmp_path: Path, redis_url: str, ends: bool
) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    with OtherPostgres(find_place(tmp_path).binaries) as server:
        upgrade(server.url)
        servers = Servers(server.url, redis_url)
        with Fleet(
            tmp_path / "fleet", rate=20, latency=0.5, servers=servers, settings={"LEASE_SECONDS": "300"}
        ) as fleet:
            fleet.configure(rate=1000)
            fleet.start("dispatcher")
            fleet.start("worker")
            batch_id = fleet.submit(photos)
            fleet.wait_for_done(batch_id, 10, LONG)
            only_read(server, ends=ends)
            rest(READS_SECONDS)
            # What was on its way is answered by now; nobody calls who cannot write it down before.
            fleet.wait_until(lambda: fleet.in_flight() == 0, LONG)
            called = fleet.stats()["accepted"]
            found = next(iter(examine(Settings(_env_file=None, database_url=server.url))))
            assert fleet.stats()["accepted"] == called
            write_again(server)
            fleet.wait_for_done(batch_id, PHOTOS, LONG)
            fleet.wait_until(lambda: fleet.batch(batch_id).state == "finished", LONG)
            counts = fleet.counts(batch_id)
            assert (counts.succeeded, counts.calls, counts.maybe_billed) == (PHOTOS, PHOTOS, 0)
            assert fleet.stats()["by_code"]["200"] == fleet.stats()["accepted"] == PHOTOS
            assert list(fleet.artifacts_per_job(batch_id)) == [1] * PHOTOS
            # One lead, of one that still runs.
            with fleet.engine.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM processes WHERE is_leader")).scalar_one() == 1
            logs = "".join(path.read_text(encoding="utf-8") for path in fleet.folder.glob("*.log"))
            assert {role.stop() for role in fleet.roles} == {0}
    assert (found.name, found.is_good) == ("database", False)
    assert "PostgreSQL only reads (" in found.text
    assert "PostgreSQL only reads (" in logs


def test_a_url_of_two_servers_is_followed_to_the_one_that_writes(tmp_path: Path) -> None:
    binaries = find_place(tmp_path).binaries
    with OtherPostgres(binaries) as first, OtherPostgres(binaries) as second:
        hosts = "&".join(f"host={LOOPBACK}:{server.port}" for server in (first, second))
        engine = make_engine(f"postgresql://{OWNER}:{PASSWORD}@/{OWNER}?{hosts}&target_session_attrs=read-write")

        def write(connection: Connection) -> int:
            connection.execute(text("CREATE TABLE IF NOT EXISTS written (at int)"))
            return int(connection.execute(text("SELECT inet_server_port()")).scalar_one())

        assert transact(engine, write) == first.port
        # Its sessions live on.
        only_read(first, ends=False)
        deadline = time.monotonic() + LONG
        while transact(engine, write, patience_seconds=LONG) != second.port:
            assert time.monotonic() < deadline, "each session learns of it by itself, and soon"
        engine.dispose()


def only_read(server: OtherPostgres, *, ends: bool) -> None:
    """Let a server write nothing any more, as a primary that has lost its place, and end its sessions or not."""
    server.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    if ends:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE usename = '{OWNER}' AND pid <> pg_backend_pid()"
        )


def write_again(server: OtherPostgres) -> None:
    """Let it write again."""
    with psycopg.connect(
        host=str(server.folder / "data"), port=server.port, user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")
