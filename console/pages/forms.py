"""Forms as they are sent: reading one, and a field of it."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

MOST_FILES = 2000
MOST_FIELDS = 100
MOST_FIELD_BYTES = 16_000_000
"""A mask of a large photo, drawn by hand, has megabytes of run lengths."""
MOST_CHARACTERS = 2000


async def read_form(request: Request) -> AsyncIterator[FormData]:
    """Yield a request's form; its files are closed when the request is answered."""
    async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES) as form:
        yield form


Sent = Annotated[FormData, Depends(read_form)]
"""The form of a request."""


def field_of(sent: FormData, name: str) -> str:
    """Return a field of a form, without what surrounds it; empty when it is not there."""
    value = sent.get(name)
    return value.replace("\0", "").strip()[:MOST_CHARACTERS] if isinstance(value, str) else ""
