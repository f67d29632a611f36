"""`GET /artifacts/…`: outputs under URLs that cannot be guessed, signed when ARTIFACT_URL_SECRET is set.

Those of catalogues end in the photo's own name (`exporting/named_urls.py`); those of callbacks, of the API and of shops
that are written to hold the output's hash, by which it is known again when a shop copies it by its name.
"""

import hmac
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Response
from sqlalchemy import Engine
from starlette.responses import StreamingResponse

from console.pools import OUTPUTS
from core.disposition import disposition
from core.errors import CleanplateError
from core.settings import Settings
from db import artifacts
from db.artifacts import artifact_key, signature
from db.parts import Parts, open_parts
from db.session import transact
from exporting.named_urls import name_in_url, read_token

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "BMP": "image/bmp",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
PART_BYTES = 512_000
FOR_EVER = "public, max-age=31536000, immutable"
FOLDER_LETTERS = 2
"""Of a store's folders, in URLs that do not end in a photo's name."""
ASK_EACH_TIME = "private, no-cache"
_MOST_DIGITS = 18

log = logging.getLogger(__name__)


def artifacts_router(engine: Engine, settings: Settings) -> APIRouter:
    """Return the route that outputs are fetched from."""
    router = APIRouter(tags=["artifacts"])
    secret = settings.artifact_url_secret.get_secret_value()

    @router.head("/artifacts/{folder}/{name}", include_in_schema=False)
    @router.get("/artifacts/{folder}/{name}", response_class=Response)
    @OUTPUTS.serves
    def fetch(
        folder: str,
        name: str,
        sig: str = "",
        range_: Annotated[str, Header(alias="range")] = "",
        if_none_match: Annotated[str, Header()] = "",
        if_range: Annotated[str, Header()] = "",
    ) -> Response:
        wanted = WantedPart(range_, if_none_match, if_range)
        if len(folder) > FOLDER_LETTERS:
            sha256 = read_token(folder, secret)
            found = _find(engine, sha256) if sha256 else None
            if found is None:
                raise HTTPException(404, "There is no such output.")
            called = disposition("inline", name_in_url(name, found.format))
            return send(engine, found, wanted, cache=FOR_EVER, called=called)
        key = f"{folder}/{name}"
        if secret and not hmac.compare_digest(signature(secret, key).encode(), sig.encode()):
            raise HTTPException(404, "There is no such output.")
        found = _find(engine, name.partition(".")[0])
        if found is None or artifact_key(found.sha256, found.format) != key:
            raise HTTPException(404, "There is no such output.")
        return send(engine, found, wanted, cache=FOR_EVER)

    return router


def _find(engine: Engine, sha256: str) -> artifacts.ArtifactRow | None:
    return transact(engine, lambda connection: artifacts.find(connection, sha256))


@dataclass(frozen=True, slots=True)
class WantedPart:
    """Which part of an output is asked for, and what whoever asks has of it: the request's headers of these names."""

    range: str = ""
    if_none_match: str = ""
    if_range: str = ""


def send(engine: Engine, found: artifacts.ArtifactRow, wanted: WantedPart, *, cache: str, called: str = "") -> Response:
    """Return an output's bytes, a part of them, or 304.

    Args:
        engine: The database.
        found: Which output.
        wanted: What of it.
        cache: How long it stays what it is, under the URL it was asked for by.
        called: The file's name, as a `Content-Disposition`.
    """
    etag = f'"{found.sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": cache,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    if called:
        headers["Content-Disposition"] = called
    if etag in wanted.if_none_match or wanted.if_none_match.strip() == "*":
        return Response(status_code=304, headers=headers)
    try:
        parts = open_parts(engine, found.sha256)
    except CleanplateError as error:
        log.error("an output cannot be served: %s", error)  # noqa: TRY400 - the cause is in the message
        raise HTTPException(502, "The output is not where it was stored; the log says more.") from error
    media_type = MEDIA_TYPES.get(found.format, "application/octet-stream")
    # A part of what somebody has another whole of would not fit to it.
    size = parts.size
    part = read_range(wanted.range, size) if wanted.if_range in {"", etag} else None
    if part is None:
        return stream(parts, 0, size - 1, headers=headers, media_type=media_type)
    first, last = part
    if first > last:
        parts.close()
        raise HTTPException(416, f"The output has {size} bytes.", {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return stream(parts, first, last, status=206, headers=headers, media_type=media_type)


def stream(
    parts: Parts, first: int, last: int, *, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str
) -> Response:
    """Return a part of an output as an answer that reads on only as fast as it is read.

    Args:
        parts: Its bytes; closed in the end.
        first: Of the part.
        last: Of the part.
        status: HTTP's.
        headers: More of them.
        media_type: What it is.
    """

    async def read() -> AsyncIterator[bytes]:
        try:
            for at in range(first, last + 1, PART_BYTES):
                yield await OUTPUTS.run(partial(parts.read, at, min(PART_BYTES, last + 1 - at)))
        finally:
            parts.close()

    told = {**(headers or {}), "Content-Length": str(last + 1 - first)}
    return StreamingResponse(read(), status, told, media_type)


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte asked for; first after last when there are none; None when all are.

    Several ranges at once, and what cannot be read, mean the whole (RFC 9110, 14.2).
    """
    unit, _, spans = header.strip().partition("=")
    start, dash, end = spans.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or "," in spans:
        return None
    if not all(
        part == "" or (part.isascii() and part.isdecimal() and len(part) <= _MOST_DIGITS) for part in (start, end)
    ):
        return None
    if start == "":
        return None if end == "" else ((1, 0) if int(end) == 0 else (max(0, size - int(end)), size - 1))
    last = min(int(end), size - 1) if end else size - 1
    if end and int(end) < int(start):
        return None
    return (int(start), last) if int(start) < size else (1, 0)
