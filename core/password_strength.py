"""Which passwords keep nobody out."""

import re
from collections.abc import Iterator

SHORTEST = 12
FEWEST_CHARACTERS = 5
HOW_TO_MAKE_ONE = "openssl rand -hex 24"

_ON_EVERY_LIST = (
    "admin",
    "administrator",
    "change",
    "cleanplate",
    "default",
    "example",
    "flower",
    "grafana",
    "letmein",
    "login",
    "me",
    "my",
    "pass",
    "password",
    "passwd",
    "please",
    "postgres",
    "redis",
    "root",
    "secret",
    "test",
    "user",
    "welcome",
    "your",
    # Keyboards' rows; written otherwise (qw3rty) they are words like the others.
    "qwerty",
    "azerty",
    "qwertz",
)
_IN_ORDER = ("abcdefghijklmnopqrstuvwxyz", "12345678901234567890")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn")
_COLUMNS = ("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm")
_LINES = tuple(line[::way] for line in (*_IN_ORDER, *_ROWS, *_COLUMNS) for way in (1, -1))
SHORTEST_LINE = 3
SHORTEST_WALK = 4
"""From a key to the next one beside it: three such are in many words."""
LONGEST_PIECE = 12
"""A longer line or walk is made of several."""
MOST_DIGITS = 8
"""Such as a day's, beside words."""
DIGITS_OF_A_SHORT_LINE = 2
"""What it counts for among digits: there are some hundred lines of three, and chance makes them too."""

_KEYS = {
    key: (row, place + row / 2)
    for row, keys in enumerate(("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"))
    for place, key in enumerate(keys)
}
_FOLDED = str.maketrans("0@4$5i137", "oaassllet")
_MARKS = re.compile(r"[\W_]")
_MARKS_BUT_LETTERS = re.compile(r"[^\w@$]|_")


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
    words = {_MARKS.sub("", word.lower()).translate(_FOLDED) for word in (*_ON_EVERY_LIST, *names)} - {""}
    # A mark may stand between letters, or for one.
    if any(_is_made_of(words, marks.sub("", lowered)) for marks in (_MARKS, _MARKS_BUT_LETTERS)):
        return "is made of words that are tried first"
    return ""


def _is_made_of(words: set[str], text: str) -> bool:
    """Return whether nothing is left of a text without words, lines and walks but a few digits, or nothing at all."""
    left = _fewest_left(words, text, DIGITS_OF_A_SHORT_LINE)
    return left is not None and (left <= MOST_DIGITS or _fewest_left(words, text, 0) == 0)


def _fewest_left(words: set[str], text: str, of_a_short_line: int) -> int | None:
    """Return how many digits are left at least; None where something else is."""
    folded = text.translate(_FOLDED)
    # The same of what stands before each place.
    left: list[int | None] = [0, *[None] * len(text)]
    for begin in range(len(text)):
        before = left[begin]
        if before is None:
            continue
        ends = {end: of_a_short_line if end - begin == SHORTEST_LINE else 0 for end in _ends_of_runs(text, begin)}
        ends |= {begin + len(word): 0 for word in words if folded.startswith(word, begin)}
        if text[begin] in "@$":
            ends[begin + 1] = 0
        elif text[begin].isdecimal():
            ends.setdefault(begin + 1, 1)
        for end, digits in ends.items():
            now = left[end]
            left[end] = before + digits if now is None else min(now, before + digits)
    return left[-1]


def _ends_of_runs(text: str, begin: int) -> Iterator[int]:
    """Yield where lines, walks and repetitions that begin here may end."""
    piece = text[begin : begin + LONGEST_PIECE]
    for length in range(SHORTEST_LINE, len(piece) + 1):
        run = piece[:length]
        if len(set(run)) == 1 or any(run in line for line in _LINES):
            yield begin + length
    walked = 1
    while walked < len(piece) and _are_beside(piece[walked - 1], piece[walked]):
        walked += 1
    yield from range(begin + SHORTEST_WALK, begin + walked + 1)


def _are_beside(first: str, second: str) -> bool:
    if first == second or first not in _KEYS or second not in _KEYS:
        return False
    (row, place), (other_row, other_place) = _KEYS[first], _KEYS[second]
    return abs(row - other_row) <= 1 and abs(place - other_place) <= 1
