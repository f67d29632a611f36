"""Signatures that are an HMAC-SHA256 of the raw body, compared in constant time."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence

from producer.webhooks.delivery import BadSignature


def base64_of(digest: bytes) -> str:
    """Return a digest as Shopify and WooCommerce write it."""
    return base64.b64encode(digest).decode()


def require(body: bytes, given: str, secrets: Sequence[str], write: Callable[[bytes], str] = base64_of) -> None:
    """Check a body's signature.

    Args:
        body: The raw bytes.
        given: The signature as it came.
        secrets: Those that are valid.
        write: How a digest is written.

    Raises:
        BadSignature: None of the secrets made it.
    """
    matches = [
        hmac.compare_digest(write(hmac.new(secret.encode(), body, hashlib.sha256).digest()).encode(), given.encode())
        for secret in secrets
    ]
    if not any(matches):
        raise BadSignature("The signature does not fit the body.")
