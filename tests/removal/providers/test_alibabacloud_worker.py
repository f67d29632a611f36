"""A worker as `REMOVAL_PROVIDER=alibabacloud` builds it: its bounds, URLs only, and outputs that are its own."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from redis import Redis
from sqlalchemy import Engine, text

from core.settings import load_settings
from core.states import Lane
from db import queue
from photos import fetch
from producer.catalogue.source import read_source
from producer.intake import BatchOptions, submit
from removal.limiter import Limiter
from sandbox import erasers
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from tests.worker.eraser import InvertingEraser
from worker import process

pytestmark = pytest.mark.skipif(
    find_spec("alibabacloud_tea_openapi") is None, reason="signing needs the extra `alibabacloud`, not installed here"
)

Run = Callable[[str], dict[str, Any]]


def webp(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#3080c0").save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    monkeypatch.setattr(erasers, "_eraser", InvertingEraser())
    with SandboxServer(SandboxSettings(rate=1000)) as server:
        yield server


@pytest.fixture
def run(
    engine: Engine, database_url: str, redis_client: Redis, redis_url: str, sandbox: SandboxServer, tmp_path: Path
) -> Run:
    """Return a function that runs one photo through a worker and gives its job."""
    settings = load_settings(
        database_url=database_url,
        redis_url=redis_url,
        removal_provider="alibabacloud",
        proof="off",  # these photos are of one colour
        removal_api_url=f"{sandbox.url}/",
        removal_api_key="sandbox",
        removal_api_secret="sandbox",
        fetch_allow_private=f"127.0.0.1:{sandbox.port}",
    )

    def through(url: str) -> dict[str, Any]:
        listed = tmp_path / "photos.jsonl"
        listed.write_text(json.dumps({"image_url": url}))
        limiter = Limiter(redis_client, settings.account, 500.0, 1)
        connections, worker, _ = process._build(settings, limiter, "w", threading.Event(), threading.Event())
        with engine.begin() as connection:
            submit(connection, read_source(listed), name="t", source=str(listed), options=BatchOptions())
        with engine.begin() as connection:
            due = queue.queue_due(connection, Lane.BULK, 10)
        for job in due:
            worker.run(job.id)
        worker._tools.caller._client.close()
        worker._tools.fetcher.close()
        connections.close()
        with engine.connect() as connection:
            return dict(connection.execute(text("SELECT * FROM jobs ORDER BY id DESC LIMIT 1")).mappings().one())

    return through


def shown(sandbox: SandboxServer, data: bytes) -> str:
    return f"{sandbox.url}/output/{sandbox.service.outputs.add(data, 'webp', seconds=60)}"


def test_a_small_webp_is_cleaned_as_it_is(run: Run, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # The sandbox' photos are on loopback, which is never public; for this test it is.
    monkeypatch.setattr(fetch, "is_public", lambda _: True)
    job = run(shown(sandbox, webp((300, 256))))
    assert (job["state"], sandbox.stats()["by_code"]) == ("succeeded", {"200": 1})


def test_a_photo_nobody_else_can_fetch_costs_no_call(run: Run, sandbox: SandboxServer) -> None:
    job = run(shown(sandbox, webp((300, 256))))
    assert (job["state"], job["code"], sandbox.stats()["received"]) == ("dead", "url_not_public", 0)


def test_a_photo_outside_its_bounds_costs_no_call(
    run: Run, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "is_public", lambda _: True)
    job = run(shown(sandbox, webp((255, 256))))
    assert (job["state"], job["code"], sandbox.stats()["received"]) == ("dead", "url_not_fitting", 0)
