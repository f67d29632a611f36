"""What the sandbox's tests send: drawn photos and signed calls."""

import base64
import hashlib
import hmac
import io
import time
from typing import Any

import httpx
from PIL import Image

PATH = "/rest/ai/image/removal"


def photo(size: tuple[int, int] = (600, 520), form: str = "JPEG", colour: str = "#c8d4e0") -> bytes:
    """A plain picture in a file."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, form)
    return buffer.getvalue()


def query(secret: str = "sandbox", **changes: str) -> dict[str, str]:
    """Signed query parameters, written out from the vendor's description on purpose."""
    stamp = changes.pop("timestamp", str(int(time.time() * 1000)))
    digest = hmac.new(secret.encode(), (secret + stamp).encode(), hashlib.sha256).hexdigest().upper()
    signed = {
        "partner_id": "aidge",
        "sign_method": "sha256",
        "sign_ver": "v2",
        "app_key": "sandbox",
        "timestamp": stamp,
        "sign": digest,
    }
    return signed | changes


def body(data: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A body that asks for everything; a change to None leaves the field out."""
    fields: dict[str, Any] = {
        "image_Base64": base64.b64encode(photo() if data is None else data).decode(),
        "object_remove_elements": "[1,2,3,4]",
        "non_object_remove_elements": "[1,2,3,4]",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def call(client: httpx.Client, data: bytes | None = None, **changes: Any) -> httpx.Response:
    """One signed call."""
    return client.post(PATH, params=query(), json=body(data, **changes))


def output_of(client: httpx.Client, answer: httpx.Response) -> bytes:
    """Fetches the output that an answer names."""
    fields = answer.json()
    assert fields["resCode"] == 200, fields
    response = client.get(fields["data"]["imageUrl"])
    assert response.status_code == 200
    return response.content
