"""The web application on a real server, on loopback."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, text

from console.app import make_app
from console.uvicorn_options import OPTIONS
from core.settings import Settings
from db import connections
from db.connections import ShopConnection
from db.session import make_engine

PUBLIC_URL = "https://shop.example/artifacts"


@dataclass
class Web:
    """A running application and its database."""

    engine: Engine
    client: httpx.Client
    clients: list[httpx.Client] = field(default_factory=list)

    def connect(self, platform: str, secret: str = "secret", shop: str = "", **options: Any) -> ShopConnection:
        """Make a connection; one of S3 is for the bucket `b`, unless another is named."""
        shop = shop or ("b" if platform == "s3" else "A shop")
        with self.engine.begin() as connection:
            return connections.create(connection, platform=platform, shop=shop, secret=secret, options=options)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Return what a query finds."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]

    def urls(self) -> list[str]:
        """Return the URL of each job."""
        return [row["source_uri"] for row in self.rows("SELECT source_uri FROM jobs ORDER BY id")]


MakeWeb = Callable[..., Web]
AppOf = Callable[[Settings], FastAPI]


class SharedApps:
    """Applications that tests have one after the other, each on a database of its own.

    Building one takes longer than most of what tests ask it.

    Args:
        url: Any database of the server.
    """

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url, pool_size=16)
        self._database = ""
        self._apps: list[tuple[Settings, FastAPI]] = []
        connect = self._engine.dialect.connect

        def aim(*words: Any, **named: Any) -> Any:
            return connect(*words, **named | {"dbname": self._database})

        self._engine.dialect.connect = aim  # type: ignore[method-assign]

    @contextmanager
    def on(self, database: str) -> Iterator[AppOf]:
        """Yield what returns the application for some settings; until then all of them are on this database."""
        self._database = database
        yield self._app_of
        self._engine.dispose()

    def _app_of(self, settings: Settings) -> FastAPI:
        for known, app in self._apps:
            if known == settings:
                return app
        self._apps.append((settings, make_app(self._engine, settings)))
        return self._apps[-1][1]


@pytest.fixture(scope="session")
def shared_apps(postgres_url: str) -> SharedApps:
    """Return the applications of this process."""
    return SharedApps(postgres_url)


@pytest.fixture
def app_of(shared_apps: SharedApps, engine: Engine) -> Iterator[AppOf]:
    """Yield a function that returns the application for some settings; what it remembers may be of other tests."""
    assert engine.url.database is not None
    with shared_apps.on(engine.url.database) as found:
        yield found


@pytest.fixture
def make_web(engine: Engine, app_of: AppOf) -> Iterator[MakeWeb]:
    """Return a function that serves the application with the settings a test wants."""
    stops: list[Callable[[], object]] = []

    def make(**settings: Any) -> Web:
        told = {"artifact_public_url": PUBLIC_URL, **settings}
        app = app_of(Settings(_env_file=None, **told))
        server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", **OPTIONS))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False)

        web = Web(engine, client)

        def stop() -> None:
            for each in (client, *web.clients):
                each.close()
            server.should_exit = True
            thread.join(60)

        stops.append(stop)
        return web

    yield make
    for stop in stops:
        stop()


@pytest.fixture
def web(make_web: MakeWeb) -> Web:
    """An application with the usual settings."""
    return make_web()
