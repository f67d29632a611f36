"""What a batch came to, as files: for whom, and what becomes of those that nobody reads."""

import io
import random
import re
import socket
import threading
import time
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from console import made_files, protocol
from db import artifacts
from db.tokens import Scope
from db.users import Role
from tests.console.conftest import MakeWeb, Web
from tests.console.test_api import problem, token_of
from tests.console.test_pages import Person
from tests.db.rows import put

URL = "https://shop.example"
CATALOGUE = f"id;one;two\r\n1;{URL}/a.jpg;{URL}/red shirt.jpg\r\n2;;{URL}/blue.jpg\r\n".encode()
PUBLIC = {"artifact_public_url": "", "web_public_url": "https://clean.example"}
EVERYBODYS = ("results.zip", "report.zip")
OPERATORS = ("catalogue", "failed.csv")


@pytest.fixture
def web(make_web: MakeWeb) -> Web:
    """An application that others can reach."""
    return make_web(**PUBLIC)


def upload(web: Web) -> None:
    """Hand in a catalogue as programs do; its first photo is clean."""
    headers = token_of(web.engine, Scope.SUBMIT)
    asked = {"name": "products.csv", "image-col": "two"}
    made = web.client.post("/v1/batches/catalogue", params=asked, content=CATALOGUE, headers=headers)
    assert made.json() == {"id": 1, "added": 2, "resumed": False, "unreadable": 0}
    finish(web)


def finish(web: Web, data: bytes = b"0123456789") -> None:
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, data, image_format="JPEG", width=1, height=1)
        put(connection, "succeeded", "id = 1", artifact_sha256=sha256)


def names_in(answer: httpx.Response) -> set[str]:
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.testzip() is None
        return set(found.namelist())


def test_a_catalogue_of_a_program_comes_back_with_new_urls(web: Web) -> None:
    upload(web)
    headers = token_of(web.engine, Scope.READ, Scope.SUBMIT)
    back = web.client.get("/v1/batches/1/catalogue", headers=headers)
    assert back.headers["content-disposition"] == 'attachment; filename="products-clean.csv"'
    found = re.fullmatch(
        rf"id;one;two\r\n1;{URL}/a.jpg;(https://clean\.example/artifacts/[0-9a-f]{{64}}/red-shirt\.jpg)\r\n"
        rf"2;;{URL}/blue.jpg\r\n",
        back.text,
    )
    assert found, "only the column that was named when it came"
    assert web.client.get(found[1].removeprefix("https://clean.example")).content == b"0123456789"
    assert web.client.get("/v1/batches/1/catalogue", headers=headers).content == back.content
    assert f"{URL}/blue.jpg" not in web.client.get("/v1/batches/1/failed.csv", headers=headers).text


def test_a_catalogue_of_a_person_comes_back_with_new_urls(web: Web) -> None:
    person = Person(web, Role.OPERATOR)
    files = {"files": ("Shop \u7ea2.csv", CATALOGUE)}
    draft = person.post("/batches/new", element="1", columns="two", files=files).headers["location"]
    assert person.post(draft).headers["location"].startswith("/batches/1")
    finish(web)
    page = person.get("/batches/1")
    assert "Shop \u7ea2.csv with new URLs" in page
    back = person.http.get("/batches/1/catalogue")
    assert back.text.count("https://clean.example/artifacts/") == 1
    assert "filename*=UTF-8''Shop%20%E7%BA%A2-clean.csv" in back.headers["content-disposition"]


def test_an_archive_has_all_that_is_clean_by_now(web: Web) -> None:
    upload(web)
    found = names_in(Person(web, Role.OPERATOR).http.get("/batches/1/results.zip"))
    assert found == {
        "red shirt.jpg",
        "report.html",
        "report.csv",
        "report.jsonl",
        "failed.csv",
        "products-clean.csv",
        "CONTENTS.txt",
    }


def test_who_may_have_what_on_pages(web: Web) -> None:
    upload(web)
    for path in (*EVERYBODYS, *OPERATORS):
        assert web.client.get(f"/batches/1/{path}", headers={"accept": "text/html"}).status_code == 303
    viewer, operator = Person(web, Role.VIEWER), Person(web, Role.OPERATOR)
    for path in EVERYBODYS:
        assert names_in(viewer.http.get(f"/batches/1/{path}")).isdisjoint({"failed.csv", "products-clean.csv"})
    for path in OPERATORS:
        viewer.get(f"/batches/1/{path}", 403)
        operator.get(f"/batches/1/{path}")
        operator.get(f"/batches/2/{path}", 404)
    page = viewer.get("/batches/1")
    assert ("results.zip" in page, "failed.csv" in page, "/catalogue" in page) == (True, False, False)


def test_who_may_have_what_over_rest(web: Web) -> None:
    upload(web)
    reader, submitter = token_of(web.engine, Scope.READ), token_of(web.engine, Scope.SUBMIT)
    for path in (*EVERYBODYS, *OPERATORS):
        problem(web.client.get(f"/v1/batches/1/{path}"), 401)
        problem(web.client.get(f"/v1/batches/2/{path}", headers=token_of(web.engine)), 404)
        told = web.client.get(f"/v1/batches/1/{path}", headers=submitter if path in EVERYBODYS else reader)
        assert "lacks the scope" in problem(told, 403)
    assert "failed.csv" not in names_in(web.client.get("/v1/batches/1/results.zip", headers=reader))
    assert "failed.csv" in names_in(web.client.get("/v1/batches/1/results.zip", headers=token_of(web.engine)))


def test_what_cannot_be_had_is_said(make_web: MakeWeb) -> None:
    web = make_web(artifact_public_url="")
    upload(web)
    headers = token_of(web.engine)
    assert "set WEB_PUBLIC_URL" in problem(web.client.get("/v1/batches/1/catalogue", headers=headers), 409)
    assert "once WEB_PUBLIC_URL says" in Person(web, Role.OPERATOR).get("/batches/1")
    with web.engine.begin() as connection:
        connection.execute(text("DELETE FROM catalogues"))
        connection.execute(text("""UPDATE batches SET options = options || '{"source": "/etc/hosts"}'"""))
    told = problem(web.client.get("/v1/batches/1/catalogue", headers=headers), 404)
    assert "cleanplate export 1 --catalogue FILE" in told, "no file of this machine is read for who asks over the web"


@pytest.fixture
def unread(web: Web) -> Iterator[list[socket.socket]]:
    """As many archives as may be made at once, of which nobody reads on."""
    upload(web)
    # What cannot be packed is read in parts from where it is stored.
    finish(web, random.Random(1).randbytes(8_000_000))
    bearer = token_of(web.engine)["Authorization"]
    host, port = web.client.base_url.host, web.client.base_url.port or 80
    asked = f"GET /v1/batches/1/results.zip HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n".encode()
    opened = []
    for _ in range(made_files.MOST_AT_ONCE):
        each = socket.socket()
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.settimeout(60)
        each.connect((host, port))
        each.sendall(asked)
        assert each.recv(15) == b"HTTP/1.1 200 OK"
        opened.append(each)
    yield opened
    for each in opened:
        each.close()


def test_what_is_not_read_holds_no_thread_and_no_transaction(web: Web, unread: list[socket.socket]) -> None:
    headers = token_of(web.engine)
    refused = web.client.get("/v1/batches/1/results.zip", headers=headers)
    assert "Too many files are being made" in problem(refused, 503)
    assert refused.headers["retry-after"] == "30"
    held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    # One that is between two statements is not held: it ends by itself.
    deadline = time.monotonic() + 60
    while web.rows(held) != [{"count": 0}]:
        assert time.monotonic() < deadline, "a reader that reads nothing keeps a transaction open"
        time.sleep(0.05)
    # Of the pool's threads none is held: a part of another file is made at once.
    for each in unread[:1]:
        each.close()
    _wait_for_turn()
    assert "red shirt.jpg" in names_in(web.client.get("/v1/batches/1/results.zip", headers=headers))


def test_what_is_not_read_for_long_is_let_go(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "LOOK_SECONDS", 0.1)
    request.getfixturevalue("unread")
    for _ in range(made_files.MOST_AT_ONCE):
        _wait_for_turn(keep=True)
    for _ in range(made_files.MOST_AT_ONCE):
        made_files._TURNS.release()


def _wait_for_turn(*, keep: bool = False) -> None:
    assert made_files._TURNS.acquire(timeout=60)
    if not keep:
        made_files._TURNS.release()


def test_a_turn_comes_back_whatever_becomes_of_a_file(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(web)
    headers = token_of(web.engine)
    broken = threading.Event()

    def die(*_: object, **__: object) -> None:
        broken.set()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made_files, "write_failed", die)
    for _ in range(made_files.MOST_AT_ONCE + 2):
        problem(web.client.get("/v1/batches/1/failed.csv", headers=headers), 503)
        _wait_for_turn()
    assert broken.is_set()
