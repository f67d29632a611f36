"""What a webhook brings, whatever platform sent it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import UsageError
from producer.catalogue.item import storable
from producer.catalogue.url_list import check_url


class BadSignature(Exception):
    """The sender cannot be who it says it is: 401."""


class BadDelivery(Exception):
    """It is signed, but cannot be read: 400. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An HTTP request as it came.

    Args:
        headers: Lower-case names; of several of one name the first.
        body: The raw bytes, which are what was signed.
        received_at: Seconds since 1970.
    """

    headers: Mapping[str, str]
    body: bytes
    received_at: float

    def header(self, *names: str) -> str:
        """Return the first of these headers that is there; empty when none is."""
        return next((self.headers[name] for name in names if self.headers.get(name)), "")


@dataclass(frozen=True, slots=True)
class ShopPhoto:
    """A product's photo.

    Args:
        url: `https://…` or `s3://bucket/key`.
        version: What changes with the bytes behind the URL (an ETag, a time of change); empty when not told.
        sku: The shop's own number of the product, if told.
        product: What the shop's API calls the product; empty where no photo can be put back.
        media: What it calls the photo; empty when not told.
    """

    url: str
    version: str = ""
    sku: str | None = None
    product: str = ""
    media: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook, read.

    Args:
        key: The same when it is delivered again.
        topic: What happened, in the platform's words.
        photos: Of the product, in their order.
        products: Whose photos are still to be asked for.
    """

    key: str
    topic: str
    photos: tuple[ShopPhoto, ...] = ()
    products: tuple[str, ...] = ()


class Platform(Protocol):
    """How one platform signs and words its webhooks."""

    name: str

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless one of the secrets signed it; compares in constant time."""
        ...

    def read(self, incoming: Incoming) -> Delivery:
        """Return what it says, or raise BadDelivery."""
        ...


def read_json(body: bytes) -> dict[str, Any]:
    """Return a body's JSON object.

    Raises:
        BadDelivery: It is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadDelivery("The body is not JSON.") from error
    if not isinstance(found, dict):
        raise BadDelivery("The body is not a JSON object.")
    return found


def body_key(body: bytes) -> str:
    """Return what tells a body from any other."""
    return hashlib.sha256(body).hexdigest()


def list_of(value: object) -> list[dict[str, Any]]:
    """Return the objects in a JSON list; nothing when it is none."""
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def is_web_url(url: str) -> bool:
    """Whether a URL is one that anybody may be sent to; others are read with rights that only we have."""
    try:
        check_url(url, "")
    except UsageError:
        return False
    return True


def text_of(value: object) -> str:
    """Return a JSON text or number as text that can be stored; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    try:
        return storable(str(value).strip())
    except ValueError:
        # A number of thousands of digits.
        return ""
