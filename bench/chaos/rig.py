"""What is hurt: three workers, one of them behind a way that can be cut, two dispatchers, servers of their own."""

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
from PIL import Image
from redis import Redis

from bench.chaos.proxy import CutProxy
from tests.chaos.fleet import Fleet, Role

WORKERS, DISPATCHERS = 3, 2
BEHIND_A_PROXY = WORKERS - 1
THREADS = 32
"""Calls in flight per worker: no more than this are lost with it."""
RATE, LATENCY = 60.0, 0.4
LEASE_SECONDS = 8
STORE_MB = 256
FAULTS = {
    **dict.fromkeys(("801", "900", "1001", "1002", "http500", "http503"), 0.05),
    **dict.fromkeys(("timeout", "drop", "reset_before", "html", "truncated"), 0.02),
    **dict.fromkeys(("output_404", "output_html", "missing_output"), 0.01),
}
SETTINGS = {
    "ARTIFACT_STORE": "",
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "WORKER_CONCURRENCY": str(THREADS),
    "MAX_ATTEMPTS": "100",
    "REMOVAL_TIMEOUT": "3",
    "REMOVAL_PRICE": "0.02",
    "RETRY_CAP_SECONDS": "3",
    "OUTAGE_PROBE_SECONDS": "0.5",
    "OUTAGE_PROBE_CAP_SECONDS": "2",
}


class Rig:
    """Everything that runs.

    Args:
        folder: Where it lives.
    """

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.store.mkdir(parents=True)
        settings = {**SETTINGS, "ARTIFACT_STORE": f"file://{self.store}"}
        self.fleet = Fleet(folder / "fleet", rate=RATE, latency=LATENCY, apart=True, settings=settings)
        self.can_fill_store = False

    def __enter__(self) -> Self:
        with ExitStack() as begun:
            self.can_fill_store = _mount(self.store)
            if self.can_fill_store:
                begun.callback(subprocess.run, ["umount", "--lazy", str(self.store)], check=False)
            begun.enter_context(self.fleet)
            self.fleet.configure(faults=FAULTS, timeout_seconds=6)
            self._database, self._redis = self.way = self._proxies()
            for proxy in self.way:
                begun.callback(proxy.close)
            self.workers = [self.start_worker(slot) for slot in range(WORKERS)]
            self.dispatchers = [self.fleet.start("dispatcher") for _ in range(DISPATCHERS)]
            self._begun = begun.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._begun.close()

    def start_worker(self, slot: int) -> Role:
        """Start the worker of a place, and return it."""
        if slot != BEHIND_A_PROXY:
            return self.fleet.start("worker")
        redis = urlsplit(self.fleet.redis_url)
        login = f"{redis.netloc.rpartition('@')[0]}@" if "@" in redis.netloc else ""
        return self.fleet.start(
            "worker",
            DATABASE_URL=f"postgresql+psycopg://postgres@127.0.0.1:{self._database.port}/cleanplate?sslmode=disable",
            REDIS_URL=urlunsplit(redis._replace(netloc=f"{login}127.0.0.1:{self._redis.port}")),
        )

    def redis(self) -> "Redis":
        """Return a client of the broker."""
        return Redis.from_url(self.fleet.redis_url, socket_timeout=10)

    def stats(self) -> dict[str, Any]:
        """Return what the sandbox counted."""
        return self.fleet.stats()

    def configure(self, **changes: Any) -> None:
        """Change the sandbox."""
        with contextlib.suppress(httpx.TransportError):
            self.fleet.configure(**changes)

    def _proxies(self) -> tuple[CutProxy, CutProxy]:
        # The embedded server listens on a Unix socket; its URL names the folder and the port.
        asked = parse_qs(urlsplit(self.fleet.database_url).query)
        redis = urlsplit(self.fleet.redis_url)
        return (
            CutProxy(f"{asked['host'][0]}/.s.PGSQL.{asked['port'][0]}"),
            CutProxy((redis.hostname or "127.0.0.1", redis.port or 6379)),
        )


def write_photos(folder: Path, first: int, count: int) -> Mapping[str, str]:
    """Write so many small photos, each of its own bytes from a number on, and return their hashes by name."""
    folder.mkdir(parents=True)
    return {
        name: hashlib.sha256(data).hexdigest()
        for name, data in _photos(first, count)
        if (folder / name).write_bytes(data)
    }


def _photos(first: int, count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(first, first + count):
        image = Image.new("RGB", (512, 512), (60 + number % 150, 120, 200 - number % 130))
        for bit in range(16):
            shade = 255 if number >> bit & 1 else 0
            image.paste((shade, shade, shade), (bit % 4 * 128, bit // 4 * 128, bit % 4 * 128 + 60, bit // 4 * 128 + 60))
        kept = io.BytesIO()
        image.save(kept, "JPEG", quality=80)
        yield f"p{number:05}.jpg", kept.getvalue()


def _mount(folder: Path) -> bool:
    """Make a folder a small disk of its own, and return whether that could be done: only root may."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    argv = ["mount", "-t", "tmpfs", "-o", f"size={STORE_MB}m", "tmpfs", str(folder)]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0
