"""Outputs that wait to be fetched: in memory, bounded in bytes and in time."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass

CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "bmp": "image/bmp", "webp": "image/webp"}


@dataclass
class _Body:
    data: bytes
    users: int = 0


@dataclass(frozen=True)
class _Entry:
    digest: bytes
    content_type: str
    expires_at: float


class Outputs:
    """Keeps equal bytes once, so that an echo of one photo a thousand times costs one photo."""

    def __init__(self, *, megabytes: int) -> None:
        self._lock = threading.Lock()
        self._limit = megabytes * 1024 * 1024
        self._bytes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bodies: dict[bytes, _Body] = {}

    def add(self, data: bytes, extension: str, *, seconds: float, content_type: str = "") -> str:
        """Stores the bytes and returns their file name, `<id>.<extension>`."""
        name = f"{uuid.uuid4().hex}.{extension}"
        digest = hashlib.sha256(data).digest()
        kind = content_type or CONTENT_TYPES[extension]
        with self._lock:
            body = self._bodies.get(digest)
            if body is None:
                body = self._bodies[digest] = _Body(data)
                self._bytes += len(data)
            body.users += 1
            self._entries[name] = _Entry(digest, kind, time.monotonic() + seconds)
            while self._bytes > self._limit and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))
        return name

    def get(self, name: str) -> tuple[bytes, str] | None:
        """The bytes and their content type, or None when they are gone or never were."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            if entry.expires_at <= time.monotonic():
                self._drop(name)
                return None
            return self._bodies[entry.digest].data, entry.content_type

    def clear(self) -> None:
        """Forgets every output."""
        with self._lock:
            self._entries.clear()
            self._bodies.clear()
            self._bytes = 0

    def _drop(self, name: str) -> None:
        entry = self._entries.pop(name)
        body = self._bodies[entry.digest]
        body.users -= 1
        if body.users == 0:
            del self._bodies[entry.digest]
            self._bytes -= len(body.data)
