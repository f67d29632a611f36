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
_COUNTED = ("1234567890", "123456789", "12345678", "0123456789", "9876543210", "987654321", "87654321")
MOST_DIGITS = 4
"""Such as a year's."""
_MARKS = re.compile(r"[\W_]")


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
    rest = _MARKS.sub("", lowered)
    words = {*_ON_EVERY_LIST, *_COUNTED, *(_MARKS.sub("", name.lower()) for name in names)} - {""}
    # The longest first, so that none is left of which a shorter one is a part.
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, " ")
    rest = rest.replace(" ", "")
    if not rest or (rest.isdecimal() and len(rest) <= MOST_DIGITS):
        return "is made of words that are tried first"
    return ""
