"""A shop that is connected, with photos that come clean, and a web application that serves them."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from PIL import Image
from sqlalchemy import Engine, text

from core.net.client import CheckedClient
from core.sealed import new_key, seal
from core.settings import Settings
from db import artifacts, connections, success
from db.connections import ShopConnection
from producer.webhooks.delivery import Incoming
from producer.webhooks.platforms import PLATFORMS
from producer.webhooks.shop_intake import Ours, Taken, take_in
from producer.writebacks.pace import Pace
from producer.writebacks.writer import Writer
from tests.db.rows import claim, enqueue
from tests.shops.shop_server import Answer, Asked, ShopServer

KEY = new_key()


def photo(colour: str, size: int = 600) -> bytes:
    """Return a photo that is all of a colour."""
    kept = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(kept, "PNG")
    return kept.getvalue()


class Outputs(ShopServer):
    """Serves outputs as the web application does."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def answer(self, asked: Asked) -> Answer:
        sha256 = asked.path.rpartition("/")[2].partition(".")[0]
        with self._engine.connect() as connection:
            known = artifacts.find(connection, sha256)
        return Answer(404, {}) if known is None else Answer(body=artifacts.fetch(self._engine, sha256))


class ShopGround:
    """One connected shop and what is done about it.

    Args:
        engine: The database.
        shop: The stand-in.
        platform: Its name.
        token: What its API takes.
        outputs: Where it can fetch outputs.
        mode: `ask` or `auto`.
    """

    def __init__(
        self, engine: Engine, shop: ShopServer, platform: str, token: str, outputs: Outputs, mode: str
    ) -> None:
        self.engine = engine
        self.shop = shop
        self.outputs_url = outputs.url
        self._settings = Settings(
            _env_file=None,
            fetch_allow_private="127.0.0.1",
            artifact_public_url=outputs.url,
            shop_token_key=KEY,
        )
        with engine.begin() as connection:
            self.connection: ShopConnection = connections.create(
                connection,
                platform=platform,
                shop="a shop",
                secret="secret",
                options={"elements": [1], "api_url": shop.url},
                writeback=mode,
                sealed_token=seal(KEY, token),
            )
        self.writer = Writer(engine, self._settings)
        # At no pace but what the shop itself asks for.
        self.writer._paces[self.connection.id] = Pace(0.0, threading.Event())

    def tell(self, headers: dict[str, str], body: bytes) -> Taken:
        """Take a webhook in as the web application does."""
        incoming = Incoming(headers, body, datetime.now(UTC).timestamp())
        platform = PLATFORMS[self.connection.platform]
        platform.verify(incoming, self.connection.secrets)
        with self.engine.begin() as connection:
            delivery = platform.read(incoming)
            return take_in(connection, self.connection, delivery, body=body, ours=Ours.of(self._settings))

    def clean(self, data: bytes, *, job_id: int = 0) -> list[int]:
        """End all jobs that wait, or one, with an output, as a worker does."""
        with self.engine.begin() as connection:
            enqueue(connection, "true" if not job_id else f"id = {job_id}")
            ids = list(connection.execute(text("SELECT job_id FROM queued_jobs ORDER BY job_id")).scalars())
        for each in ids:
            job = claim(self.engine, each)
            assert job is not None
            client = CheckedClient("127.0.0.1")
            source = client.send(
                "GET", self.one("SELECT source_uri FROM jobs WHERE id = :id", id=each), {}, seconds=5, max_bytes=10**7
            )
            with self.engine.begin() as connection:
                noted = text(
                    "UPDATE jobs SET source_sha256 = encode(sha256(:data), 'hex'), content_key = :key WHERE id = :id"
                )
                connection.execute(noted, {"data": source.body, "key": f"k{each}", "id": each})
                sha256 = artifacts.keep(connection, data, image_format="PNG", width=600, height=600)
                success.succeed(connection, job, artifact_sha256=sha256)
        return ids

    def write(self, most: int = 30) -> int:
        """Take turns until nothing is due, however long waits are; return how many."""
        for turns in range(most):
            with self.engine.begin() as connection:
                connection.execute(text("UPDATE connections SET api_after = now() WHERE api_after < 'infinity'"))
                connection.execute(text("UPDATE writebacks SET available_at = now() WHERE available_at > now()"))
            if not self.writer.write_due():
                return turns
        raise AssertionError("it goes on and on")

    def rows(self, columns: str = "state") -> list[tuple[Any, ...]]:
        """Return columns of all write-backs."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM writebacks ORDER BY id"))]

    def one(self, statement: str, **values: object) -> Any:
        """Return the one value of a statement."""
        with self.engine.connect() as connection:
            return connection.execute(text(statement), values).scalar_one()

    def run(self, statement: str) -> None:
        """Change rows."""
        with self.engine.begin() as connection:
            connection.execute(text(statement))


@contextmanager
def outputs_of(engine: Engine) -> Iterator[Outputs]:
    """Yield a server of a database's outputs."""
    with Outputs(engine) as served:
        yield served


def body_of(asked: Asked) -> str:
    """Return a request's body as text."""
    return json.dumps(asked.body)
