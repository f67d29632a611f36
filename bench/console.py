"""The console, served in this process, for somebody who is signed in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from sqlalchemy import Engine

from console.app import make_app
from console.uvicorn_options import OPTIONS
from core.settings import Settings
from db import users
from db.users import Role


@contextmanager
def served(engine: Engine) -> Iterator[httpx.Client]:
    """Yield a client that is signed in as an administrator."""
    app = make_app(engine, Settings(_env_file=None))
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", **OPTIONS))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with engine.begin() as connection:
        person = users.add(connection, f"bench-{port}", Role.ADMIN, None)
        assert person is not None
        cookie = users.open_session(connection, person.id)
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"accept": "text/html"}, timeout=60, verify=False
    )
    client.cookies.set("cleanplate_session", cookie)
    with client:
        yield client
    server.should_exit = True
    thread.join(10)
