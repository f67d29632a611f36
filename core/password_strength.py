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
_COLUMNS = (
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "a1b2c3d4e5f6g7h8i9j0",
    "11223344556677889900",
)
_LINES = tuple(line[::way] for line in (*_IN_ORDER, *_ROWS, *_COLUMNS) for way in (1, -1))
SHORTEST_LINE = 3
SHORTEST_WALK = 4
"""From a key to the next one beside it: three such are in many words."""
LONGEST_PIECE = 12
"""A longer line or walk is made of several."""
MOST_TO_TRY = 10
"""So many pieces that are tried first, and digits beside them, are a weak password: a word and a day's date are nine.
More of them are as good as others, and chance makes them, too."""
OF_A_WORD = OF_A_DIGIT = 1
OF_A_LINE = 2
"""There are some hundred of three, where there are few words."""

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
    """Return whether nothing is left of a text without words, lines, walks and digits, of which there are few."""
    text = _without_repetition(text, words)
    folded = text.translate(_FOLDED)
    # The fewest that make what stands before each place; None where nothing does.
    needed: list[int | None] = [0, *[None] * len(text)]
    for begin in range(len(text)):
        before = needed[begin]
        if before is None:
            continue
        ends = dict(_runs(text, begin))
        ends |= {begin + len(word): OF_A_WORD for word in words if folded.startswith(word, begin)}
        if text[begin] in "@$":
            ends[begin + 1] = 0
        elif text[begin].isdecimal():
            ends.setdefault(begin + 1, OF_A_DIGIT)
        for end, more in ends.items():
            now = needed[end]
            needed[end] = before + more if now is None else min(now, before + more)
    last = needed[-1]
    return last is not None and last <= MOST_TO_TRY


def _without_repetition(text: str, words: set[str]) -> str:
    """Return a text in which each word stands once: to say it again is no secret."""
    # The longer ones before what they begin with.
    for word in sorted(words, key=lambda each: (-len(each), each)):
        first = text.translate(_FOLDED).find(word)
        while first >= 0 and len(word) >= SHORTEST_WALK:
            again = text.translate(_FOLDED).find(word, first + len(word))
            if again < 0:
                break
            text = text[:again] + text[again + len(word) :]
    return text


def _runs(text: str, begin: int) -> Iterator[tuple[int, int]]:
    """Yield where walks, lines and repetitions that begin here may end, and what each counts for; lines come last."""
    piece = text[begin : begin + LONGEST_PIECE]
    walked = 1
    while walked < len(piece) and _are_beside(piece[walked - 1], piece[walked]):
        walked += 1
    for length in range(SHORTEST_WALK, walked + 1):
        # It may turn at every key.
        yield begin + length, length
    for length in range(SHORTEST_LINE, len(piece) + 1):
        run = piece[:length]
        if len(set(run)) == 1 or any(run in line for line in _LINES):
            yield begin + length, OF_A_LINE


def _are_beside(first: str, second: str) -> bool:
    if first == second or first not in _KEYS or second not in _KEYS:
        return False
    (row, place), (other_row, other_place) = _KEYS[first], _KEYS[second]
    return abs(row - other_row) <= 1 and abs(place - other_place) <= 1
