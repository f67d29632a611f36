"""Nobody takes more than one connection of a pool at a time: every role works with one, at the smallest settings."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
from sqlalchemy import text

from db import processes, users
from db.session import transact
from db.users import Role
from localstack.ports import free_port
from tests.chaos.fleet import Fleet, make_photos

GUARDED = Path(__file__).parent / "guarded"
PAGES = (
    "/",
    "/batches",
    "/batches/1",
    "/batches/new",
    "/jobs/1",
    "/jobs/1/redo",
    *(f"/photos/1/{which}" for which in ("before", "before-small", "after", "after-small", "changes")),
    "/photos/1/output",
    "/review",
    "/audit",
    "/people",
    "/connections",
    "/tokens",
    "/metrics",
    "/healthz",
)
LIVE_PAGES = ("/live/overview", "/live/batches/1")


def test_every_role_works_with_one_connection_a_pool(tmp_path: Path) -> None:
    root, found, port = Path(__file__).parents[2], tmp_path / "second-connections.txt", free_port()
    settings = {
        "PYTHONPATH": os.pathsep.join(map(str, (GUARDED, root))),
        "SECOND_CONNECTIONS_FILE": str(found),
        "WORKER_CONCURRENCY": "1",
        "WEB_PORT": str(port),
        "REMOVAL_DAILY_CALLS": "100",
        "CLEANPLATE_HOME": str(tmp_path / "home"),
    }
    with Fleet(tmp_path / "fleet", rate=20, latency=0.05, settings=settings) as fleet:
        first = fleet.start("dispatcher")
        fleet.wait_until(lambda: leads(fleet), 120)
        for role in ("dispatcher", "worker", "web"):
            fleet.start(role)
        batch = fleet.submit(make_photos(tmp_path / "photos", 2))
        call_back(fleet, batch)
        fleet.wait_for_done(batch, 2)
        first.kill()
        look_at_pages(fleet, port)
        use_commands(fleet, tmp_path)
        fleet.wait_until(lambda: fleet.batch(batch).state == "finished", 120)
        fleet.wait_until(lambda: is_told(fleet), 120)
        for process in reversed(fleet.roles[1:]):
            process.stop()
    assert not found.exists(), found.read_text()
    for log in (tmp_path / "fleet").glob("*.log"):
        assert "QueuePool" not in log.read_text()


def leads(fleet: Fleet) -> bool:
    """Whether a dispatcher has the lead."""
    return any(each.is_leader for each in transact(fleet.engine, processes.list_recent))


def call_back(fleet: Fleet, batch: int) -> None:
    """Have the shop of a batch told, who does not listen."""
    statement = text("UPDATE batches SET callback_url = :url, callback_secret = 'whsec_c2VjcmV0' WHERE id = :id")
    with fleet.engine.begin() as connection:
        connection.execute(statement, {"url": "http://127.0.0.1:9/hook", "id": batch})


def is_told(fleet: Fleet) -> bool:
    """Whether telling the shop was tried."""
    with fleet.engine.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM callbacks WHERE tries > 0")).scalar_one())


def look_at_pages(fleet: Fleet, port: int) -> None:
    """Look at every page as an admin, at the live ones until they tell something, several at once."""
    with fleet.engine.begin() as connection:
        person = users.add(connection, "admin", Role.ADMIN, None)
        assert person is not None
        cookie = users.open_session(connection, person.id)
    transport = httpx.HTTPTransport(retries=8)
    base, told = f"http://127.0.0.1:{port}", {"cleanplate_session": cookie}
    with httpx.Client(base_url=base, timeout=120, transport=transport, cookies=told) as http, ExitStack() as streams:
        for path in LIVE_PAGES:
            lines = streams.enter_context(http.stream("GET", path)).iter_lines()
            assert next(lines) == "event: parts"
        for path in PAGES:
            answer = http.get(path)
            assert answer.status_code == 200, (path, answer.text[:500])


def use_commands(fleet: Fleet, folder: Path) -> None:
    """Run the commands that use the database for more than a row."""
    more = make_photos(folder / "more", 3)
    moved = (folder / "outputs").as_uri()
    for command in (
        ["run", str(more), "--out", str(folder / "clean"), "--canary", "1"],
        ["status"],
        ["costs"],
        ["export", "1", "--to", str(folder / "exported")],
        ["store", "move", "postgres", moved],
        ["store", "move", moved, "postgres"],
        ["health", "worker"],
        ["doctor"],
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", *command],
            env=fleet.environment(),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
