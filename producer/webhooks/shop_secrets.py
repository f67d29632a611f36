"""Secrets that shops sign webhooks with."""

import base64
import re
import secrets as random_secrets

from core.errors import UsageError


def new_secret(platform: str) -> str:
    """Return a secret that cannot be guessed, in the form the platform wants."""
    raw = random_secrets.token_bytes(32)
    return f"whsec_{base64.b64encode(raw).decode()}" if platform == "standard" else raw.hex()


def check_secret(platform: str, secret: str) -> None:
    """Refuse a secret that could verify nothing.

    Raises:
        UsageError: It is empty, or not in the form the platform wants.
    """
    if not secret.strip():
        raise UsageError("The secret is empty: anybody could send webhooks. Was its variable not set?")
    if secret != secret.strip():
        raise UsageError("The secret begins or ends with a space, which no header keeps.")
    if platform == "standard" and not re.fullmatch(
        r"whsec_([A-Za-z0-9+/]{4}){2,}([A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=)?", secret
    ):
        raise UsageError("A secret of Standard Webhooks is `whsec_` and Base64.")
