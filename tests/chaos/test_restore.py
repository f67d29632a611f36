"""A backup is taken while photos run, and restored later: nothing is paid for again that was called for in between."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from db import restores
from localstack.place import find_place
from tests.chaos.fleet import Fleet, make_photos

PHOTOS = 100
KNOWN, LOST = 10, 30
"""So many are done when the backup is made, and when all is lost, at least."""

pytestmark = pytest.mark.chaos


def tool(fleet: Fleet, name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs on the fleet's database."""
    url = fleet.database_url.replace("+psycopg", "")
    programs = find_place(fleet.postgres.home).binaries
    subprocess.run([programs / name, *(each.format(url=url) for each in arguments)], check=True, timeout=120)


def wipe(fleet: Fleet) -> None:
    """Leave an empty database behind."""
    with fleet.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def one(fleet: Fleet, statement: str) -> int:
    with fleet.engine.connect() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def test_nothing_is_paid_for_again_after_a_restore(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", PHOTOS)
    others = make_photos(tmp_path / "others", PHOTOS + 3)
    for known in photos.iterdir():
        (others / known.name).unlink()
    backup = tmp_path / "backup"
    with Fleet(tmp_path / "fleet", rate=20, latency=0.5, settings={"LEASE_SECONDS": "20"}) as fleet:
        fleet.start("dispatcher")
        fleet.start("worker")
        batch_id = fleet.submit(photos)
        fleet.wait_for_done(batch_id, KNOWN)
        tool(fleet, "pg_dump", "--format=custom", f"--file={backup}", "{url}")
        unknown_id = fleet.submit(others)
        fleet.wait_for_done(unknown_id, 3)
        fleet.wait_for_done(batch_id, LOST)
        for role in fleet.roles:
            role.kill()
        called = int(fleet.stats()["received"])
        assert fleet.counts(batch_id).succeeded >= LOST
        wipe(fleet)
        tool(fleet, "pg_restore", "--exit-on-error", "--dbname={url}", str(backup))
        dumped = fleet.counts(batch_id)
        assert KNOWN <= dumped.succeeded < LOST
        fleet.start("dispatcher")
        fleet.start("worker")
        fleet.wait_until(lambda: fleet.counts(batch_id).unsettled == 0, 120)
        counts, stats = fleet.counts(batch_id), fleet.stats()
        assert stats["paid_again"] == 0
        assert all(image["paid"] <= 1 for image in stats["images"].values())
        assert counts.succeeded + counts.held == PHOTOS
        assert counts.held >= LOST - dumped.succeeded
        with fleet.engine.connect() as connection:
            [restore] = restores.list_recent(connection)
            assert restores.count_undecided(connection) == counts.held
        assert restore.unknown >= 3
        assert restore.held <= counts.held
        # Every call is on record, those included that the backup did not know, or is counted. One that was killed in
        # the moment before sending is on record and was not made, never the reverse.
        assert counts.calls + restore.unknown >= stats["received"] >= called
        assert one(fleet, "SELECT count(*) FROM attempts WHERE answered_at IS NULL") == 0
