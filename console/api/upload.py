"""A file that is a request's body."""

import hashlib
from dataclasses import dataclass

from fastapi import HTTPException, Request

MOST_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file as it came."""

    data: bytes
    sha256: str


async def read_upload(request: Request) -> UploadedFile:
    """Return a request's body.

    Raises:
        HTTPException: 413, as soon as it is over 50 MB.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BYTES:
            raise HTTPException(413, f"The file is over {MOST_BYTES // 1_000_000} MB; split it, or submit it by hand.")
    return UploadedFile(bytes(data), hashlib.sha256(data).hexdigest())
