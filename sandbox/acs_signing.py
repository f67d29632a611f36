"""Checks an ACS3-HMAC-SHA256 signature, as Alibaba Cloud describes it, with nothing of the vendor's own code."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import quote

from sandbox.dialects import Received

ALGORITHM = "ACS3-HMAC-SHA256"
KEPT_NONCES = 100_000

_AUTHORIZATION = re.compile(
    ALGORITHM + r" Credential=([^,]+), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})", re.ASCII
)


class Nonces:
    """Remembers the latest nonces, so that a call that is sent twice is found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, nonce: str) -> bool:
        """Whether it was never seen; from now on it was."""
        with self._lock:
            if nonce in self._seen:
                return False
            self._seen[nonce] = None
            if len(self._seen) > KEPT_NONCES:
                self._seen.popitem(last=False)
            return True


def signature_error(
    call: Received, nonces: Nonces, *, key: str, secret: str, now: float, tolerance_seconds: float
) -> str | None:
    """Says which error refuses this call, or None when it is in order.

    Args:
        call: its head; the body's digest is the one in `x-acs-content-sha256`.
        nonces: those of calls before.
        key: the only access key known here.
        secret: the secret of that key.
        now: this machine's clock, seconds since 1970.
        tolerance_seconds: how far the call's date may be from it.
    """
    found = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
    if not found:
        return "IncompleteSignature"
    named = found[2].split(";")
    needed = {"host", *(name for name in call.headers if name.startswith("x-acs-"))}
    if not needed <= set(named) or named != sorted(named):
        return "IncompleteSignature"
    if found[1] != key:
        return "InvalidAccessKeyId.NotFound"
    try:
        date = calendar.timegm(time.strptime(call.headers.get("x-acs-date", ""), "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return "InvalidTimeStamp.Format"
    if abs(date - now) > tolerance_seconds:
        return "InvalidTimeStamp.Expired"
    if not hmac.compare_digest(found[3], signature_of(call, named, secret)):
        return "SignatureDoesNotMatch"
    nonce = call.headers.get("x-acs-signature-nonce", "")
    if not nonce:
        return "IncompleteSignature"
    return None if nonces.is_new(nonce) else "SignatureNonceUsed"


def signature_of(call: Received, named: list[str], secret: str) -> str:
    """The signature in hex over method, path, query and the named headers."""
    lines = [
        call.method,
        call.path or "/",
        _canonical_query(call.query),
        *(f"{name}:{call.headers.get(name, '').strip()}" for name in named),
        "",
        ";".join(named),
        call.headers.get("x-acs-content-sha256", ""),
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return hmac.new(secret.encode(), f"{ALGORITHM}\n{digest}".encode(), hashlib.sha256).hexdigest()


def _canonical_query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))
