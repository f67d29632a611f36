"""Hostile requests against a real `cleanplate web` that may open 512 files, while others look at it."""

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, text

from bench.hostile import tables
from bench.hostile.gauge import Row, gauged
from bench.hostile.pictures import KINDS
from db import artifacts, tokens, users
from db.migrate import upgrade
from db.session import make_engine
from db.tokens import Scope
from db.users import Role
from localstack.embedded import EmbeddedPostgres
from localstack.ports import free_port
from tests.db.rows import make_batch

MOST_MB = 1000
FILES = 512
SHOWN = ("WebP that claims 16,384 × 16,384", "AVIF that is 64 MP and says little", "JPEG of small Exif segments")
PATIENCE_SECONDS = 60.0


class Site:
    """A running `cleanplate web`."""

    def __init__(self, home: Path, engine: Engine, database_url: str) -> None:
        self.engine = engine
        self.port = free_port()
        ours = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        self.log = home / "web.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "web", "--port", str(self.port)],
                env={
                    **ours,
                    "PYTHONPATH": str(Path.cwd()),
                    "DATABASE_URL": database_url,
                    "CLEANPLATE_HOME": str(home),
                    "FETCH_ALLOW_PRIVATE": "127.0.0.1",
                },
                stderr=log,
                cwd=home,
            )
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        self.client = self.browser()
        with engine.begin() as connection:
            person = users.add(connection, "ann", Role.ADMIN, None)
            assert person is not None
            self.client.cookies.set("cleanplate_session", users.open_session(connection, person.id))
            _, token = tokens.create(connection, name="t", scopes=list(Scope))
        self.bearer = {"Authorization": f"Bearer {token}"}
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                self.client.get("/healthz").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit(self.log.read_text())

    def browser(self) -> httpx.Client:
        """Return a client of its own."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_SECONDS, verify=False)

    def look(self) -> None:
        """Do what others do: connect anew, and ask for health and for a page."""
        with self.browser() as client:
            client.get("/healthz").raise_for_status()
        self.client.get("/batches").raise_for_status()

    def post(self, path: str, data: Any, headers: dict[str, str] | None = None) -> str:
        """Send a body; return how it was answered."""
        try:
            with self.browser() as client:
                return str(client.post(path, content=data, headers=headers or {}).status_code)
        except httpx.HTTPError as error:
            return type(error).__name__

    def dial(self, said: bytes) -> socket.socket:
        """Connect and say something."""
        found = socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)
        found.sendall(said)
        return found

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.process.terminate()
        self.process.wait(30)


def measure() -> Iterator[Row]:
    """Yield a row for each kind of request."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o711)
        with EmbeddedPostgres(home) as server:
            upgrade(server.url)
            engine = make_engine(server.url)
            site = Site(home, engine, server.url)
            try:
                for what, do in _attacks(site):
                    before = site.log.stat().st_size
                    with gauged(f"web: {what}", site.process.pid, site.look, most_mb=MOST_MB) as row:
                        row.answer = do()
                    if site.log.stat().st_size - before > 1_000_000:
                        row.failed.append("the log grew by more than a megabyte")
                    yield row
            finally:
                site.close()
                engine.dispose()


def _attacks(site: Site) -> Iterator[tuple[str, Callable[[], str]]]:
    page = {"Content-Type": "application/x-www-form-urlencoded"}
    as_json = {"Content-Type": "application/json"}
    files = {"Content-Type": "multipart/form-data; boundary=x"}
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    yield "20 MB of JSON from nobody, 4 at once", _many(site, 4, "/v1/batches", b"[" * 20_000_000, as_json)
    yield "100 MB of files from nobody", _many(site, 1, "/v1/batches/files", head + bytes(100_000_000), files)
    yield "16 MB to sign in with", _many(site, 4, "/sign-in", b"name=" + b"x" * 16_000_000, page)
    yield "20 guesses at once", lambda: _guess(site)
    yield "600 silent connections", lambda: _silent(site, b"", 600)
    yield "300 bodies that never come", lambda: _silent(site, _head("/sign-in", 1000, page), 300)
    yield "200 heads that never end", lambda: _silent(site, b"GET / HTTP/1.1\r\nHost: ", 200)
    known = {**as_json, **site.bearer}
    yield "20 MB of small values with a token, 4 at once", _many(site, 4, "/v1/batches", b"[{}," * 5_000_000, known)
    long = json.dumps({"photos": [{"image_url": "https://a.example/" + "x" * 1_900}] * 10_000}).encode()
    yield "20 MB of long URLs with a token, 4 at once", _many(site, 4, "/v1/batches", long, known)
    for name, data in tables.KINDS.items():
        yield f"catalogue: {name}", _many(site, 1, "/v1/batches/catalogue", data(), site.bearer)
    yield "40 readers of an output who read nothing", lambda: _unread(site)
    yield "60 pictures of a host that never answers", lambda: _silent_host(site)
    for name in (
        "WebP that claims 16,384 × 16,384",
        "AVIF that is 64 MP and says little",
        "JPEG of small Exif segments",
    ):
        yield f"pictures shown: {name}", lambda name=name: _shown(site, name)  # type: ignore[misc]


def _many(site: Site, count: int, path: str, data: bytes, headers: dict[str, str]) -> Callable[[], str]:
    def send() -> str:
        with ThreadPoolExecutor(count) as threads:
            return " ".join(threads.map(lambda _: site.post(path, data, headers), range(count)))

    return send


def _head(path: str, size: int, headers: dict[str, str]) -> bytes:
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{told}\r\n".encode()


def _guess(site: Site) -> str:
    def guess(number: int) -> str:
        with site.browser() as client:
            page = client.get("/sign-in").text
            token = page.partition('name="csrf" value="')[2][:64]
            form = {"csrf": token, "name": f"n{number}", "password": "wrong", "then": "/"}
            return str(client.post("/sign-in", data=form, headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code)

    with ThreadPoolExecutor(20) as threads:
        return " ".join(threads.map(guess, range(20)))


def _silent(site: Site, said: bytes, count: int) -> str:
    opened: list[socket.socket] = []
    try:
        opened.extend(site.dial(said) for _ in range(count))
        time.sleep(3)
    except OSError as error:
        return type(error).__name__
    finally:
        for each in opened:
            each.close()
    return f"{count} were taken"


def _unread(site: Site) -> str:
    with site.engine.begin() as connection:
        sha256 = artifacts.keep(connection, os.urandom(12_000_000), image_format="JPEG", width=1, height=1)
    said = f"GET /artifacts/{artifacts.artifact_key(sha256, 'JPEG')} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    return _silent(site, said, 40)


def _silent_host(site: Site) -> str:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        make_batch(site.engine, 60)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.jpg"
        with site.engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET source_uri = :url WHERE source_sha256 IS NULL"), {"url": url})
            ids = list(connection.execute(text("SELECT id FROM jobs ORDER BY id DESC LIMIT 60")).scalars())
        return _get_all(site, [f"/photos/{number}/before-small" for number in ids], 6.0)


def _shown(site: Site, name: str) -> str:
    data = KINDS[name](10_000_000)
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n' + data + b"\r\n--x--\r\n"
    made = site.post("/v1/batches/files", body, {"Content-Type": "multipart/form-data; boundary=x", **site.bearer})
    with site.engine.begin() as connection:
        number = connection.execute(text("SELECT max(id) FROM jobs")).scalar_one()
    paths = [f"/photos/{number}/before", f"/photos/{number}/before-small", f"/jobs/{number}/redo"] * 4
    return f"{made}, {_get_all(site, paths, 30.0)}"


def _get_all(site: Site, paths: list[str], seconds: float) -> str:
    found: list[str] = []

    def ask(path: str) -> None:
        try:
            found.append(str(site.client.get(path, timeout=seconds).status_code))
        except httpx.HTTPError as error:
            found.append(type(error).__name__)

    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return " ".join(sorted(set(found)))
