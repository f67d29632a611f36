"""Nobody who is not known makes us read, parse or wait; nor does anybody who does nothing."""

import asyncio
import json
import logging
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from fastapi import HTTPException
from sqlalchemy import text

from console import limits, protocol, rooms
from console.pools import Pool
from console.rooms import Room
from db import artifacts
from db.tokens import Scope
from db.users import Role
from tests.console.conftest import MakeWeb, Web
from tests.console.test_api import token_of
from tests.console.test_pages import Person
from tests.db.rows import make_batch
from tests.removal.loopback import Talk, serving

CLOSE = ("Connection: close", "Accept: text/html")

Dial = Callable[[bytes], socket.socket]


@pytest.fixture
def dial(web: Web) -> Iterator[Dial]:
    """Return what connects, says something and leaves it at that."""
    opened: list[socket.socket] = []

    def connect(said: bytes) -> socket.socket:
        found = socket.create_connection((web.client.base_url.host, web.client.base_url.port or 80), 60)
        opened.append(found)
        found.sendall(said)
        return found

    yield connect
    for each in opened:
        each.close()


def head(path: str, length: int, *more: str) -> bytes:
    """Return the head of a POST whose body never comes."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/v1/batches", "application/json", 401),
        ("/v1/batches/files", "multipart/form-data; boundary=x", 401),
        ("/v1/batches/catalogue", "text/csv", 401),
        ("/webhooks/nobody", "application/json", 404),
        ("/batches/new", "multipart/form-data; boundary=x", 401),
        ("/batches/1/pause", "application/x-www-form-urlencoded", 401),
        ("/sign-in", "application/x-www-form-urlencoded", 413),
        ("/sign-in/x", "application/x-www-form-urlencoded", None),
    ],
)
def test_a_stranger_is_answered_before_the_body(dial: Dial, path: str, kind: str, status: int | None) -> None:
    told = dial(head(path, 100_000, f"Content-Type: {kind}", "Authorization: Bearer cp_x"))
    answer = told.recv(100)
    assert status is None or answer.startswith(f"HTTP/1.1 {status}".encode())


@pytest.mark.parametrize(
    ("path", "kind", "scope"),
    [
        ("/v1/batches", "application/json", Scope.READ),
        ("/v1/batches/files", "multipart/form-data; boundary=x", Scope.READ),
        ("/v1/batches/catalogue", "text/csv", Scope.OPERATE),
        ("/v1/batches/1/requeue", "application/json", Scope.SUBMIT),
    ],
)
def test_a_token_without_the_scope_is_answered_before_the_body_and_takes_no_room(
    web: Web, dial: Dial, monkeypatch: pytest.MonkeyPatch, path: str, kind: str, scope: Scope
) -> None:
    monkeypatch.setattr(Room, "take", _fail)
    bearer = token_of(web.engine, scope)["Authorization"]
    answer = _all(dial(head(path, 15_000_000, f"Content-Type: {kind}", f"Authorization: {bearer}", *CLOSE)))
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"The token lacks the scope" in answer


@pytest.mark.parametrize("path", ["/batches/new", "/batches/1/pause", "/tokens"])
def test_who_is_signed_in_without_the_role_is_answered_before_the_body_and_takes_no_room(
    web: Web, dial: Dial, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(Room, "take", _fail)
    cookie = Person(web, Role.VIEWER).http.cookies["cleanplate_session"]
    kind = "Content-Type: multipart/form-data; boundary=x"
    answer = _all(dial(head(path, 15_000_000, kind, f"Cookie: cleanplate_session={cookie}", *CLOSE)))
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"You are signed in as viewer" in answer


def test_who_may_send_takes_room(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Room, "take", _fail)
    files = {"files": ("a.jpg", b"a" * 1_200_000)}
    answer = web.client.post("/v1/batches/files", headers=token_of(web.engine, Scope.SUBMIT), files=files)
    assert (answer.status_code, answer.json()["detail"]) == (418, "Room was taken.")


def test_an_upload_that_is_ended_for_its_pace_is_told_so(web: Web, dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PACE_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(rooms, name, 0.2)
    bearer = token_of(web.engine, Scope.SUBMIT)["Authorization"]
    said = ("Content-Type: multipart/form-data; boundary=x", f"Authorization: {bearer}", *CLOSE)
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    first = dial(head("/v1/batches/files", 200_000_000, *said) + part)
    # Whichever of the two came first is in the other's way.
    second = dial(head("/v1/batches/files", 200_000_000, *said) + part)
    for each in (first, second):
        each.settimeout(60)
    ready, _, _ = select.select([first, second], [], [], 60)
    answer = _all(ready[0])
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"250 kB a second" in answer
    assert b"Nothing of it was kept" in answer


def test_who_is_known_is_read(web: Web, dial: Dial) -> None:
    bearer = token_of(web.engine)["Authorization"]
    body = json.dumps({"photos": [{"image_url": "https://shop.example/a.jpg"}]}).encode()
    told = dial(head("/v1/batches", len(body), f"Authorization: {bearer}", "Content-Type: application/json"))
    told.sendall(body)
    assert told.recv(100).startswith(b"HTTP/1.1 201")


def test_a_body_of_too_many_values_is_not_parsed(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_VALUES", 1000)
    answer = web.client.post("/v1/batches", content=b"[" * 1001, headers=token_of(web.engine))
    assert (answer.status_code, "values" in answer.text) == (413, True)


def test_all_bodies_together_are_bounded(web: Web, dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_HELD_BYTES", 50_000)
    monkeypatch.setattr(limits, "SPARE_BYTES", 0)
    bearer = token_of(web.engine)["Authorization"]
    first = dial(head("/v1/batches/catalogue", 60_000, f"Authorization: {bearer}") + b"a" * 40_000)
    second = dial(head("/v1/batches/catalogue", 60_000, f"Authorization: {bearer}") + b"a" * 40_000)
    ready = threading.Event()
    answers: list[bytes] = []

    def listen(told: socket.socket) -> None:
        with suppress(OSError):
            answers.append(told.recv(100))
            ready.set()

    for each in (first, second):
        threading.Thread(target=listen, args=(each,), daemon=True).start()
    assert ready.wait(60)
    assert answers[0].startswith(b"HTTP/1.1 503")


def test_silence_keeps_nobody_out(
    web: Web, dial: Dial, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(protocol, "most_connections", lambda: 20)
    caplog.set_level(logging.WARNING)
    silent = [dial(b"") for _ in range(20)] + [dial(b"GET / HTTP/1.1\r\nHost: ") for _ in range(20)]
    web.client.get("/healthz").raise_for_status()
    assert any(_is_closed(each) for each in silent)
    assert len([line for line in caplog.messages if "did nothing" in line]) < 20


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n", head("/sign-in", 1000) + b"name"], ids=["nothing", "a head", "a body"]
)
def test_who_says_no_more_is_left(dial: Dial, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    for name in ("HEADER_SECONDS", "BODY_SECONDS"):
        monkeypatch.setattr(protocol, name, 0.3)
    monkeypatch.setattr(protocol, "LOOK_SECONDS", 0.1)
    assert _is_closed(dial(said), waits=60)


def test_an_output_that_is_not_read_is_not_held(web: Web, dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "LOOK_SECONDS", 0.1)
    data = bytes(range(256)) * 150_000
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, data, image_format="BMP", width=1, height=1)
    path = f"/artifacts/{artifacts.artifact_key(sha256, 'BMP')}"
    assert web.client.get(path).content == data
    assert web.client.get(path, headers={"Range": "bytes=600000-600009"}).content == data[600_000:600_010]
    unread = dial(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    got = 0
    while part := _part(unread):
        got += len(part)
        # What the system holds of it comes still; no more is put into it once it was left.
        if got == len(part):
            threading.Event().wait(3)
    assert got < len(data)


def test_that_no_file_can_be_opened_is_said_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    for _ in range(1000):
        protocol._say(set(), loop, {"message": "socket.accept() out of system resource", "exception": OSError(24, "x")})
    loop.close()
    assert 1 <= len([line for line in caplog.messages if "no file can be opened" in line]) < 50


def _part(told: socket.socket) -> bytes:
    try:
        return told.recv(65536)
    except ConnectionResetError:
        return b""


def test_a_silent_host_of_photos_holds_up_nobody_else(make_web: MakeWeb) -> None:
    web, end = make_web(fetch_timeout=60, fetch_allow_private="127.0.0.1"), threading.Event()
    make_batch(web.engine, 30)

    def say_nothing(_: Talk) -> None:
        end.wait(60)

    with serving(say_nothing) as server, ThreadPoolExecutor(30) as threads:
        with web.engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET source_uri = :url"), {"url": f"{server.url}/a.jpg"})
        viewer = Person(web, Role.VIEWER)
        asked = [threads.submit(viewer.http.get, f"/photos/{n}/before-small") for n in range(1, 31)]
        try:
            web.client.get("/healthz").raise_for_status()
            assert web.client.post("/webhooks/nobody", content=b"{}").status_code == 404
            assert not all(each.done() for each in asked)
        finally:
            end.set()
            [each.result() for each in asked]


def test_a_pool_takes_so_many_and_no_more() -> None:
    pool, end = Pool("things", 1, 1), threading.Event()

    async def ask() -> list[object]:
        first, second = (asyncio.ensure_future(pool.run(end.wait)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await pool.run(end.wait)
        end.set()
        return [refused.value.status_code, await first, await second]

    assert asyncio.run(ask()) == [503, True, True]


async def _fail(*_: object) -> None:
    raise HTTPException(418, "Room was taken.")


def _all(told: socket.socket) -> bytes:
    """Return an answer to its end."""
    found = b""
    while part := _part(told):
        found += part
    return found


def _is_closed(told: socket.socket, waits: float = 0.5) -> bool:
    told.settimeout(waits)
    try:
        while part := told.recv(65536):
            assert part
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True
