"""The gateway's signature: query parameters as the vendor's Python, Go and Java samples make them."""

import hashlib
import hmac


def sign(key: str, secret: str, now_ms: int) -> dict[str, str]:
    """Return the signed query parameters of one attempt.

    The signature covers the secret and the time only, neither path nor body. The gateway compares the time with its
    own clock, with a tolerance that is not documented: sign each attempt anew.

    Args:
        key: The account's app key.
        secret: The account's app secret; goes into the signature, never into the parameters.
        now_ms: Milliseconds since 1970, UTC.
    """
    timestamp = str(now_ms)
    digest = hmac.new(secret.encode(), (secret + timestamp).encode(), hashlib.sha256)
    return {
        "partner_id": "aidge",
        "sign_method": "sha256",
        "sign_ver": "v2",
        "app_key": key,
        "timestamp": timestamp,
        "sign": digest.hexdigest().upper(),
    }
