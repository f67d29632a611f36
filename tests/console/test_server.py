"""The server rests while nobody asks, is awake at once when it is told to end, and tells the time."""

import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
import uvicorn

from console import server as serving
from console.server import RestingServer
from console.uvicorn_options import OPTIONS

FOR_GOOD = 3600.0


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Ticks(RestingServer):
    """Keeps count of its rounds."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.count = 0
        self.ticked = threading.Condition()

    async def on_tick(self, counter: int) -> bool:
        ends = await super().on_tick(counter)
        with self.ticked:
            self.count += 1
            self.ticked.notify_all()
        return ends

    def wait_for(self, count: int) -> None:
        with self.ticked:
            assert self.ticked.wait_for(lambda: self.count >= count, 60)


@pytest.fixture
def server() -> Iterator[Ticks]:
    made = Ticks(uvicorn.Config(answer, port=0, lifespan="off", **OPTIONS))
    thread = threading.Thread(target=made.run)
    thread.start()
    made.wait_for(1)
    yield made
    made.handle_exit(signal.SIGTERM, None)
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def _rests_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "TICK_SECONDS", FOR_GOOD)


@pytest.mark.usefixtures("_rests_for_good")
def test_one_that_is_told_to_end_does_not_rest_first(server: Ticks) -> None:
    assert server.count == 1


def test_it_looks_once_a_second_as_the_time_that_answers_tell_has_no_more_to_it() -> None:
    assert serving.TICK_SECONDS == 1.0


def test_the_time_that_answers_tell_goes_on(monkeypatch: pytest.MonkeyPatch, server: Ticks) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr("uvicorn.server.time.time", later.timestamp)
    server.wait_for(server.count + 2)
    [listener] = server.servers
    port = listener.sockets[0].getsockname()[1]
    told = httpx.get(f"http://127.0.0.1:{port}/", timeout=60, trust_env=False).headers["date"]
    assert parsedate_to_datetime(told) == later.replace(microsecond=0)
