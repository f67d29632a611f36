"""A worker with a provider that is one file more: its codes alone say how its answers are taken."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from redis import Redis
from sqlalchemy import Engine, text

from core.settings import load_settings
from core.states import Lane
from db import queue
from producer.catalogue.source import read_source
from producer.intake import BatchOptions, submit
from removal.limiter import Limiter
from tests.removal.loopback import Talk, serving
from worker import process

pytestmark = pytest.mark.usefixtures("another")

ROUNDS = 5


class Api:
    """Answers all calls with one code, and keeps what was sent to it."""

    def __init__(self) -> None:
        self.code = ""
        self.bodies: list[bytes] = []

    def behave(self, talk: Talk) -> None:
        while request := talk.read_request():
            self.bodies.append(request.partition(b"\r\n\r\n")[2])
            talk.answer(json.dumps({"error": self.code}).encode())


Run = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def run(engine: Engine, database_url: str, redis_client: Redis, redis_url: str, api: Api) -> Iterator[Run]:
    """Return a function that runs photos until they have ended, and gives their jobs."""
    with serving(api.behave) as server:
        settings = load_settings(
            database_url=database_url,
            redis_url=redis_url,
            removal_provider="another",
            removal_api_url=f"{server.url}/erase",
            removal_api_key="key-1",
            retry_base_seconds=0.001,
        )

        def through(folder: Path) -> list[dict[str, Any]]:
            limiter = Limiter(redis_client, settings.account, 500.0, 1)
            connections, worker, _ = process._build(settings, limiter, "w", threading.Event(), threading.Event())
            with engine.begin() as connection:
                submit(connection, read_source(folder), name="t", source=str(folder), options=BatchOptions())
            for _ in range(ROUNDS):
                with engine.begin() as connection:
                    connection.execute(text("UPDATE jobs SET available_at = now() WHERE state = 'pending'"))
                    due = queue.queue_due(connection, Lane.BULK, 100)
                for job in due:
                    worker.run(job.id)
            worker._tools.caller._client.close()
            worker._tools.fetcher.close()
            connections.close()
            with engine.connect() as connection:
                return [dict(row) for row in connection.execute(text("SELECT * FROM jobs ORDER BY id")).mappings()]

        yield through


def folder_of(tmp_path: Path, count: int) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 80), (number, 90, 90)).save(buffer, "JPEG")
        (folder / f"{number}.jpg").write_bytes(buffer.getvalue())
    return folder


def test_bytes_that_it_cannot_read_are_made_anew_once(run: Run, api: Api, tmp_path: Path) -> None:
    api.code = "garbled"
    folder = folder_of(tmp_path, 1)
    [job] = run(folder)
    assert (job["state"], job["code"], job["attempts"]) == ("dead", "garbled", 2)
    first, second = api.bodies
    assert first == (folder / "0.jpg").read_bytes()
    assert second != first
    assert Image.open(io.BytesIO(second)).size == (64, 80)


def test_a_code_has_as_many_retries_as_its_file_says_and_opens_no_circuit(
    run: Run, api: Api, engine: Engine, tmp_path: Path
) -> None:
    api.code = "moody"
    jobs = run(folder_of(tmp_path, 6))
    assert {(job["state"], job["attempts"]) for job in jobs} == {("dead", 3)}
    assert len(api.bodies) == 18
    with engine.connect() as connection:
        assert not connection.execute(text("SELECT count(*) FROM circuits WHERE is_open")).scalar_one()
