"""Where the things are shown that lines of the audit log name."""

import re

_NAMED = re.compile(r"\b(batch|job|connection) ([1-9][0-9]{0,17})\b")
_FOLDERS = {"batch": "/batches/", "job": "/jobs/", "connection": "/connections/"}
_PEOPLE = frozenset({"add person", "change role", "change password", "remove person", "make link"})
_TOKENS = frozenset({"make token", "revoke"})


def places(words: str, action: str = "") -> list[tuple[str, str]]:
    """Return words in pieces, each with the page that shows what it names, or with nothing.

    Args:
        words: What a line of the log says.
        action: What was done; people and tokens, which have no page of their own, are known by it.
    """
    for actions, place in ((_PEOPLE, "/people"), (_TOKENS, "/tokens")):
        if words and action in actions:
            return [(words, place)]
    pieces, end = list[tuple[str, str]](), 0
    for found in _NAMED.finditer(words):
        kind, number = found.groups()
        pieces += [(words[end : found.start()], ""), (found[0], f"{_FOLDERS[kind]}{number}")]
        end = found.end()
    return [piece for piece in [*pieces, (words[end:], "")] if piece[0]]
