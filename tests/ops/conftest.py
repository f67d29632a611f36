"""A fleet of real processes that ran some photos, with everything that watches it."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import Engine

from console.app import make_app
from localstack.ports import LOOPBACK, free_port, listens
from producer.intake import BatchOptions
from tests.chaos.fleet import Fleet, make_photos
from tests.console.conftest import AppOf, make_web, web
from tests.servers import claim_stack

__all__ = ["make_web", "web"]

PHOTOS = 4
PRICE = "0.05"
SECRETS = {"ARTIFACT_URL_SECRET": "not-to-be-told-1", "S3_SECRET_ACCESS_KEY": "not-to-be-told-2"}
FLOWER_AUTH = "ops:not-to-be-told-3"


@pytest.fixture
def app_of(engine: Engine) -> AppOf:
    """Return what builds an application: a new one for each test, as it counts."""
    return partial(make_app, engine)


class Collector:
    """What spans are sent to."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    told = ExportTraceServiceRequest.FromString(body)
                    spans.extend(
                        span
                        for resource in told.resource_spans
                        for scope in resource.scope_spans
                        for span in scope.spans
                    )
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Watched:
    """The fleet and where it shows itself."""

    fleet: Fleet
    folder: Path
    ports: dict[str, int]
    batch: int
    collector: Collector
    web_url: str
    texts: dict[str, str] = field(default_factory=dict)

    def metrics(self, role: str) -> str:
        """Return what a process shows now."""
        return httpx.get(f"http://127.0.0.1:{self.ports[role]}/metrics", timeout=120).raise_for_status().text

    def lines(self, role: str) -> list[str]:
        """Return the log of the first process with a role."""
        logs = self.folder.glob(f"{role}-*.log")
        return min(logs, key=lambda path: int(path.stem.rpartition("-")[2])).read_text().splitlines()


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    claim_stack(folder)
    names = ("worker", "dispatcher", "web", "pages", "flower")
    ports = {name: free_port() for name in names}
    collector = Collector()
    settings = {
        **SECRETS,
        "REMOVAL_PRICE": PRICE,
        "PROOF": "off",  # nothing is on these photos
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "WEB_PORT": str(ports["pages"]),
        "FLOWER_PORT": str(ports["flower"]),
        "FLOWER_BASIC_AUTH": FLOWER_AUTH,
        "FLOWER_PUBLIC_URL": f"http://127.0.0.1:{ports['flower']}",
        "CLEANPLATE_HOME": str(folder / "home"),
    }
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    try:
        with Fleet(folder, rate=20, latency=0.1, settings=settings) as fleet:
            fleet.start("flower")
            fleet.wait_until(lambda: listens(LOOPBACK, ports["flower"]), 120)
            for role in ("worker", "dispatcher", "web"):
                fleet.start(role, METRICS_PORT=str(ports[role]))
            for name in names:
                fleet.wait_until(lambda name=name: listens(LOOPBACK, ports[name]), 120)  # type: ignore[misc]
            photos = make_photos(folder / "photos", PHOTOS)
            (photos / "broken.jpg").write_bytes(b"no photo")
            # The first call of each photo fails once, so that there is a retry to see.
            fleet.configure(next=["801"])
            batch = fleet.submit(photos, BatchOptions())
            fleet.wait_for_done(batch, PHOTOS)
            fleet.wait_until(lambda: fleet.counts(batch).dead == 1, 120)
            fleet.wait_until(lambda: fleet.batch(batch).state == "finished", 120)
            yield Watched(fleet, folder, ports, batch, collector, f"http://127.0.0.1:{ports['pages']}")
    finally:
        collector.close()
