"""Passwords: hashed by Argon2id, as its library recommends at the time, and guessed slowly."""

import hashlib
import hmac
import threading
import time
from collections import OrderedDict

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.password_strength import weakness_of

LONGEST = 1000
FORGIVEN_SECONDS = 300.0
MOST_REMEMBERED = 10_000
LONGEST_NAME = 200
HASHED_AT_ONCE = 2
"""Each takes 64 MiB, and a processor."""
PATIENCE_SECONDS = 3.0

_hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(HASHED_AT_ONCE)
_nobody = _hasher.hash("the password of nobody")


class TooManyAtOnce(Exception):
    """So many sign in at this moment that there was no turn for one more."""


def flaw_of(password: str, name: str) -> str | None:
    """Return what is wrong with a new password of a person, or None."""
    if len(password) > LONGEST:
        return f"A password may have at most {LONGEST} characters."
    flaw = weakness_of(password, name)
    return f"This password {flaw}; choose another one." if flaw else None


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    with _turns:
        return _hasher.hash(password)


def is_right(kept: str | None, password: str) -> bool:
    """Whether a password is the one that was kept; takes as long when there is nobody to whom it could belong.

    Raises:
        TooManyAtOnce: It was not looked at.
    """
    if not _turns.acquire(timeout=PATIENCE_SECONDS):
        raise TooManyAtOnce
    try:
        _hasher.verify(kept or _nobody, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _turns.release()
    return kept is not None


def is_dated(kept: str) -> bool:
    """Whether a password should be hashed anew, as the recommendation has changed."""
    return _hasher.check_needs_rehash(kept)


class Guesses:
    """Counts wrong passwords, by name and by address, in this process."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, address: str, *, is_known: bool = False) -> float:
        """Return how long a guess has to wait; 0 lets it be made, and counts it as wrong until it is forgiven.

        Counted before it is checked, so that many at the same time are no more than one after the other. Somebody who
        guesses at another's name mostly keeps out themselves, and nobody whose browser signed in by that name before.

        Args:
            name: Whose password is guessed.
            address: Where from.
            is_known: Whether the browser brings what it was given when it signed in by this name.
        """
        now = time.monotonic()
        allowed = _keys(name, address, is_known=is_known)
        with self._lock:
            wait = max(self._wait(self._wrong.get(key, []), free, now) for key, free in allowed.items())
            if wait:
                return wait
            for key, free in allowed.items():
                recent = [then for then in self._wrong.pop(key, []) if now - then < FORGIVEN_SECONDS]
                self._wrong[key] = [*recent, now][-4 * free :]
            while len(self._wrong) > MOST_REMEMBERED:
                self._wrong.popitem(last=False)
        return 0.0

    def forgive(self, name: str, address: str, *, is_known: bool = False) -> None:
        """Forget wrong guesses, after the right one."""
        with self._lock:
            for key in _keys(name, address, is_known=is_known):
                self._wrong.pop(key, None)

    def _wait(self, wrong: list[float], free: int, now: float) -> float:
        recent = [then for then in wrong if now - then < FORGIVEN_SECONDS]
        if len(recent) < free:
            return 0.0
        pause = min(FORGIVEN_SECONDS, 2.0 ** (len(recent) - free + 1))
        return max(0.0, recent[-1] + pause - now)


def mark_of(form_key: str, name: str) -> str:
    """Return what a browser is given when somebody signs in, so that others' guesses do not keep it out.

    Args:
        form_key: The person's own key.
        name: Theirs.
    """
    return hmac.digest(form_key.encode(), f"known {name}".encode(), "sha256").hex()


def _keys(name: str, address: str, *, is_known: bool) -> dict[str, int]:
    """Return what guesses are counted by, each with how many are free."""
    # Names of any length are typed; what is remembered of them is short.
    name = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    if is_known:
        return {f"known {name}": 10}
    return {f"name {name} from {address}": 5, f"address {address}": 20, f"name {name}": 50}
