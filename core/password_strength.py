"""Which passwords keep nobody out."""

import re

SHORTEST = 12
FEWEST_CHARACTERS = 5
HOW_TO_MAKE_ONE = "openssl rand -hex 24"

_ON_EVERY_LIST = (
    "admin",
    "change",
    "cleanplate",
    "default",
    "example",
    "flower",
    "grafana",
    "letmein",
    "me",
    "my",
    "pass",
    "password",
    "please",
    "postgres",
    "qwerty",
    "qwertyuiop",
    "redis",
    "root",
    "secret",
    "test",
    "user",
    "welcome",
    "your",
)
_COUNTED = re.compile(r"(?:0?123456789?0?|9?87654321?0?)+\d{0,4}|\d{0,4}")


def weakness_of(password: str, *names: str) -> str:
    """Return what is wrong with a password, as the end of a sentence that begins with it; empty when nothing is.

    Args:
        password: As somebody chose it.
        names: What stands beside it for everybody to read, such as the user's.
    """
    if not password:
        return "is missing"
    if len(password) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if len(set(password)) < FEWEST_CHARACTERS:
        return f"is made of fewer than {FEWEST_CHARACTERS} different characters"
    lowered = password.lower()
    if lowered in {name.lower() for name in names}:
        return "is the name that stands beside it"
    # The longest first, so that none is left of which a shorter one is a part.
    words = sorted({*_ON_EVERY_LIST, *(re.sub(r"[\W_]", "", name.lower()) for name in names)} - {""}, key=len)
    rest = re.sub("|".join(map(re.escape, reversed(words))), "", re.sub(r"[\W_]", "", lowered))
    if _COUNTED.fullmatch(rest):
        return "is made of words that are tried first"
    return ""
