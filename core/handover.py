"""Handing over a person who is signed in here to another server of ours: a word, signed, short-lived and used once.

Both know one secret, and neither tells it to a browser.
"""

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass

SECONDS = 30
"""So long a word may take from one server to the other."""
LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Handover:
    """Who is handed over.

    Args:
        name: Of the person.
        nonce: Tells this word from all others.
        expires_at: Until when it counts, in seconds since 1970.
    """

    name: str
    nonce: str
    expires_at: int


def make_handover(secret: str, name: str, now: float) -> str:
    """Return a word that lets a person in, once and within seconds.

    Args:
        secret: What both servers know.
        name: Of the person.
        now: Seconds since 1970.
    """
    told = base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
    word = f"{int(now) + SECONDS}.{secrets.token_urlsafe(16)}.{told}"
    return f"{word}.{_sign(secret, word)}"


def read_handover(secret: str, word: str, now: float) -> Handover | None:
    """Return who is handed over; None when the word is not ours, or too old.

    Args:
        secret: What both servers know.
        word: As it came.
        now: Seconds since 1970.
    """
    signed, _, signature = word[:LONGEST].rpartition(".")
    if not hmac.compare_digest(_sign(secret, signed).encode(), signature.encode("utf-8", "replace")):
        return None
    expires_at, nonce, told = signed.split(".")
    if not now <= int(expires_at) <= now + 2 * SECONDS:
        return None
    return Handover(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)).decode(), nonce, int(expires_at))


class Used:
    """Remembers words that were used, for as long as they would count."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}
        self._lock = threading.Lock()

    def use(self, handover: Handover, now: float) -> bool:
        """Use a word up; return whether it was not used before."""
        with self._lock:
            self._until = {nonce: until for nonce, until in self._until.items() if until >= now}
            is_new = handover.nonce not in self._until
            self._until[handover.nonce] = handover.expires_at
            return is_new


def _sign(secret: str, word: str) -> str:
    key = hashlib.sha256(f"handover to Flower {secret}".encode()).digest()
    return hmac.new(key, word.encode("utf-8", "replace"), "sha256").hexdigest()
