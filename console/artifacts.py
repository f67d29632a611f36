"""`GET /artifacts/…`: outputs under URLs that cannot be guessed, signed when ARTIFACT_URL_SECRET is set."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Response
from sqlalchemy import Engine

from core.errors import CleanplateError
from core.settings import Settings
from db import artifacts
from db.artifacts import artifact_key, signature
from db.session import transact

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "BMP": "image/bmp",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
FOR_EVER = "public, max-age=31536000, immutable"


def artifacts_router(engine: Engine, settings: Settings) -> APIRouter:
    """Return the route that outputs are fetched from."""
    router = APIRouter(tags=["artifacts"])
    secret = settings.artifact_url_secret.get_secret_value()

    @router.get("/artifacts/{folder}/{name}", response_class=Response)
    def fetch(
        folder: str,
        name: str,
        sig: str = "",
        range_: Annotated[str, Header(alias="range")] = "",
        if_none_match: Annotated[str, Header()] = "",
    ) -> Response:
        key = f"{folder}/{name}"
        if secret and not hmac.compare_digest(signature(secret, key).encode(), sig.encode()):
            raise HTTPException(404, "There is no such output.")
        found = transact(engine, lambda connection: artifacts.find(connection, name.partition(".")[0]))
        if found is None or artifact_key(found.sha256, found.format) != key:
            raise HTTPException(404, "There is no such output.")
        return send(engine, found, range_, if_none_match)

    return router


def send(engine: Engine, found: artifacts.ArtifactRow, range_: str, if_none_match: str) -> Response:
    """Return an output's bytes, a part of them, or 304."""
    etag = f'"{found.sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": FOR_EVER,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    if etag in if_none_match or if_none_match.strip() == "*":
        return Response(status_code=304, headers=headers)
    try:
        data = artifacts.fetch(engine, found.sha256)
    except CleanplateError as error:
        raise HTTPException(502, f"The output is not where it was stored: {error}") from error
    media_type = MEDIA_TYPES.get(found.format, "application/octet-stream")
    part = read_range(range_, len(data))
    if part is None:
        return Response(data, headers=headers, media_type=media_type)
    first, last = part
    if first > last:
        headers["Content-Range"] = f"bytes */{len(data)}"
        return Response(status_code=416, headers=headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, media_type)


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte asked for; first after last when there are none; None when all are.

    Several ranges at once, and what cannot be read, mean the whole (RFC 9110, 14.2).
    """
    unit, _, spans = header.strip().partition("=")
    start, dash, end = spans.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or "," in spans:
        return None
    if not all(part == "" or (part.isascii() and part.isdecimal()) for part in (start, end)):
        return None
    if start == "":
        return None if end == "" else ((1, 0) if int(end) == 0 else (max(0, size - int(end)), size - 1))
    last = min(int(end), size - 1) if end else size - 1
    if end and int(end) < int(start):
        return None
    return (int(start), last) if int(start) < size else (1, 0)
