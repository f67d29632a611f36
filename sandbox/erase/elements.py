"""Which of the reference's elements a line of text is: 1 semi-transparent, 2 a name, 3 characters, 4 a colour block."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.erase.engine import TextLine
from sandbox.erase.glyphs import Strokes


def kinds_of(line: TextLine, strokes: Strokes, names: Iterable[str]) -> frozenset[int]:
    """The elements that the line's letters belong to; a block around them is not looked at."""
    kinds = {1 if strokes.colour is None else 3}
    said = _plain(line.text)
    if any(_plain(name) and _plain(name) in said for name in names):
        kinds.add(2)
    return frozenset(kinds)


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
