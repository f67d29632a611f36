"""Whom we trust when we connect: the certificate authorities of this machine."""

import ssl
from functools import cache

import httpx


@cache
def make_tls() -> ssl.SSLContext:
    """Return this process' one TLS context; reading all the authorities takes longer than many a call."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
