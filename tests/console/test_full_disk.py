"""The folder of temporary files is full: who sends or asks is told so, nothing of it is kept, and then all goes on."""

import errno
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from starlette.formparsers import MultiPartParser

from db import artifacts
from db.users import Role
from localstack.ports import LOOPBACK, free_port, listens
from tests.console.conftest import Web
from tests.console.test_api import problem, token_of
from tests.console.test_pages import Person
from tests.db.rows import put

ROOT = Path(__file__).parents[2]
FOLDER_BYTES = 8_000_000
TOO_MUCH = random.Random(1).randbytes(12_000_000)
LITTLE = b"handle,image\r\na,https://shop.example/a.jpg\r\n"
IN_A_NAMESPACE = ["unshare", "--mount", "sh", "-c"]


def can_mount() -> bool:
    """Whether a small folder can be mounted for one process alone."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    done = subprocess.run([*IN_A_NAMESPACE, "mount -t tmpfs -o size=1m tmpfs /mnt"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def small(tmp_path: Path, engine: Engine, database_url: str) -> Iterator[tuple[Web, Path]]:
    """Yield a web application whose folder of temporary files has a bound, and that folder as others reach it."""
    if not can_mount():
        pytest.skip("only root may mount a small folder")
    folder, port = tmp_path / "small", free_port()
    folder.mkdir()
    command = f'mount -t tmpfs -o size={FOLDER_BYTES},mode=1777 tmpfs "$TMPDIR"; exec "$0" -P -m cli.main web'
    log = tmp_path / "web.log"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "CLEANPLATE_HOME": str(tmp_path),
        "WEB_PORT": str(port),
        "TMPDIR": str(folder),
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*IN_A_NAMESPACE, command, sys.executable], env=environment, stdout=file, stderr=file
        )
    try:
        pause = threading.Event()
        while not listens(LOOPBACK, port):
            assert process.poll() is None, log.read_text()
            pause.wait(0.05)
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=120) as client:
            web = Web(engine, client)
            yield web, Path(f"/proc/{process.pid}/root{folder}")
            for each in web.clients:
                each.close()
    finally:
        process.terminate()
        process.wait(60)


def left(web: Web) -> list[int]:
    tables = ("batches", "jobs", "drafts", "draft_files", "catalogues")
    return [web.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables]


def test_what_does_not_fit_is_refused_and_nothing_of_it_is_kept(small: tuple[Web, Path]) -> None:
    web, folder = small
    headers = token_of(web.engine)
    files = [("files", (f"{number}.jpg", TOO_MUCH[:6_000_000])) for number in range(2)]
    refused = web.client.post("/v1/batches/files", files=files, headers=headers)
    assert "no room" in problem(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    person = Person(web, Role.OPERATOR)
    page = person.post("/batches/new", 503, files=files).text
    assert "no room" in page
    assert "Nothing" in page
    assert left(web) == [0] * 5
    # What was sent is not there any more, either.
    assert shutil.disk_usage(folder).used < 100_000
    web.client.post(
        "/v1/batches/files", files=[("files", ("a.jpg", b"x" * 2_000_000))], headers=headers
    ).raise_for_status()
    assert left(web)[:2] == [1, 1]


def test_what_is_made_has_no_room_until_there_is_some(small: tuple[Web, Path]) -> None:
    web, folder = small
    headers = token_of(web.engine)

    def send(content: bytes) -> httpx.Response:
        asked = {"name": "products.csv"}
        return web.client.post("/v1/batches/catalogue", params=asked, content=content, headers=headers)

    send(LITTLE).raise_for_status()
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, b"0123456789", image_format="JPEG", width=1, height=1)
        put(connection, "succeeded", "id = 1", artifact_sha256=sha256)
    before = left(web)
    with (folder / "of-others").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free)
    archives = ("results.zip", "report.zip", "failed.csv")
    for path in archives:
        assert "no room" in problem(web.client.get(f"/v1/batches/1/{path}", headers=headers), 503)
    assert "no room" in problem(send(LITTLE * 2), 503)
    page = Person(web, Role.OPERATOR).http.get("/batches/1/results.zip")
    assert (page.status_code, "no room" in page.text) == (503, True)
    assert left(web) == before
    (folder / "of-others").unlink()
    for path in archives:
        assert web.client.get(f"/v1/batches/1/{path}", headers=headers).status_code == 200
    send(LITTLE * 2).raise_for_status()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_is_told_apart_from_a_broken_form(web: Web, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    async def parse(_: MultiPartParser) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(MultiPartParser, "parse", parse)
    headers = token_of(web.engine)
    refused = web.client.post("/v1/batches/files", files=[("files", ("a.jpg", b"x"))], headers=headers)
    assert "no room" in problem(refused, 503)
    person = Person(web, Role.OPERATOR)
    assert "no room" in person.post("/batches/new", 503, files=[("files", ("a.jpg", b"x"))]).text


def test_other_errors_of_the_system_stay_unforeseen(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    async def parse(_: MultiPartParser) -> None:
        raise PermissionError(errno.EACCES, "not to be told")

    monkeypatch.setattr(MultiPartParser, "parse", parse)
    answer = Person(web, Role.OPERATOR).post("/batches/new", 500, files=[("files", ("a.jpg", b"x"))])
    assert "not to be told" not in answer.text
