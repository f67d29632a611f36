"""Checks the signature that a call carries in its query."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

FIXED = {"partner_id": "aidge", "sign_method": "sha256", "sign_ver": "v2"}


def sign(secret: str, timestamp: str) -> str:
    """HMAC-SHA256 over secret + timestamp (milliseconds), keyed with the secret: upper-case hex."""
    return hmac.new(secret.encode(), (secret + timestamp).encode(), hashlib.sha256).hexdigest().upper()


def gateway_error(
    query: Mapping[str, str], *, key: str, secret: str, now: float, tolerance_seconds: float
) -> str | None:
    """Says which gateway code refuses this query, or None when it is in order.

    Args:
        query: the parameters of the request line.
        key: the only app key known here.
        secret: the secret of that key.
        now: this machine's clock, seconds since 1970.
        tolerance_seconds: how far the timestamp may be from it.
    """
    if query.get("app_key") != key:
        return "InvalidAppKey"
    timestamp = query.get("timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 20):
        return "IllegalTimestamp"
    if abs(int(timestamp) / 1000 - now) > tolerance_seconds:
        return "IllegalTimestamp"
    if any(query.get(name) != value for name, value in FIXED.items()):
        return "IncompleteSignature"
    if not hmac.compare_digest(query.get("sign", "").encode(), sign(secret, timestamp).encode()):
        return "IncompleteSignature"
    return None
