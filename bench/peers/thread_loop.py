"""What a bare loop does with one photo, whichever queue hands it over to a thread.

Fetch, take a token, sign, send as Base64, fetch the output, write it, insert a row. No lease, no attempt, no check, no
search for the same photo. It needs nothing of Cleanplate, so that it runs where a peer's packages are.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg_pool
import redis

TOKEN = """
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now_us)
redis.call('SET', KEYS[1], string.format('%.0f', due + tonumber(ARGV[1])), 'EX', 60)
return string.format('%.0f', due - now_us)
"""
"""A generic cell rate algorithm in one call: returns the µs to wait for the token that it took."""

INSERT = "INSERT INTO bare_results (photo, output_url, path, seconds) VALUES (%s, %s, %s, %s)"
TABLE = """
CREATE TABLE IF NOT EXISTS bare_results (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, photo text NOT NULL, output_url text NOT NULL,
    path text NOT NULL, seconds double precision NOT NULL, done_at timestamptz NOT NULL DEFAULT now())
"""
KEY = SECRET = "sandbox"


def signed(url: str) -> str:
    """Return the URL of one call."""
    now = str(int(time.time() * 1000))
    digest = hmac.new(SECRET.encode(), (SECRET + now).encode(), hashlib.sha256).hexdigest().upper()
    names = {"partner_id": "aidge", "sign_method": "sha256", "sign_ver": "v2", "app_key": KEY}
    return f"{url}?{urlencode({**names, 'timestamp': now, 'sign': digest})}"


def body_of(photo: bytes) -> bytes:
    """Return the body of one call."""
    fields = {"image_Base64": base64.b64encode(photo).decode()}
    return json.dumps({**fields, "object_remove_elements": "[1,2,3,4]", "non_object_remove_elements": "[1,2]"}).encode()


def path_of(folder: Path, url: str) -> Path:
    """Return where the output of a photo goes."""
    return folder / url.rsplit("/", 1)[1]


class BareLoop:
    """The loop for threads. It is told where everything is by `BENCH_…` variables.

    Args:
        threads: How many photos are in flight at once.
    """

    def __init__(self, threads: int) -> None:
        self._api = os.environ["BENCH_API"]
        self._folder = Path(os.environ["BENCH_OUT"])
        rate = float(os.environ["BENCH_RATE"])
        self._interval_us = 1e6 / rate if rate else 0.0
        self._redis = redis.Redis.from_url(os.environ["BENCH_REDIS"])
        self._token = self._redis.register_script(TOKEN)
        self._pool: Any = psycopg_pool.ConnectionPool(
            os.environ["BENCH_POSTGRES"],
            min_size=min(threads, 4),
            max_size=min(threads, 20),
            open=True,
            kwargs={"autocommit": True},
        )
        self._client = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=None))

    def run(self, url: str) -> None:
        """Clean one photo."""
        began = time.monotonic()
        body = body_of(self._client.get(url).content)
        answer = self._call(body)
        output_url = answer["data"]["imageUrl"]
        path = path_of(self._folder, url)
        path.write_bytes(self._client.get(output_url).content)
        with self._pool.connection() as connection:
            connection.execute(INSERT, (url, output_url, str(path), time.monotonic() - began))

    def _call(self, body: bytes) -> dict[str, Any]:
        while True:
            if wait_us := int(self._token(keys=["bare:token"], args=[self._interval_us])):
                time.sleep(wait_us / 1e6)
            reply = self._client.post(signed(self._api), content=body, headers={"Content-Type": "application/json"})
            answer: dict[str, Any] = reply.json()
            if answer["resCode"] == 200:
                return answer


_loops: list[BareLoop] = []
_lock = threading.Lock()


def clean(url: str) -> None:
    """Clean one photo, with the one loop of this process."""
    if not _loops:
        with _lock:
            if not _loops:
                _loops.append(BareLoop(int(os.environ["BENCH_THREADS"])))
    _loops[0].run(url)
