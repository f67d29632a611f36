"""What is on a photo that somebody may want off it, in words and numbers that fit into a row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

VERSION = 1
"""Of how photos are looked at; what another one found is looked for again."""

SURE_FROM = 0.35
"""From here on a finding is taken for one, unless SCREEN_SURE_FROM says otherwise."""

_MARKS, _NAMES, _CHARACTERS, _BLOCKS = 1, 2, 3, 4
_SOME_SUBJECT, _MOST_SUBJECT = 0.1, 0.9

Box = tuple[float, float, float, float]
"""Left, top, width and height as shares of the upright photo's width and height."""

Corners = tuple[float, ...]
"""Four points, clockwise from the top left of a line, each as shares of the upright photo's width and height."""

_SURELY = {"text": frozenset({_NAMES, _CHARACTERS}), "block": frozenset({_BLOCKS}), "mark": frozenset({_MARKS})}


class FindingKind(StrEnum):
    """What a finding looks like: lettering, lettering on a block of one colour, the same lettering again and again."""

    TEXT = "text"
    BLOCK = "block"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class PhotoFinding:
    """One place of a photo.

    Args:
        kind: What it looks like.
        box: Where.
        sure: How sure it is that something was put there over the photo, 0 to 1.
        is_solid: Whether its ink hides what is below; else it may be semi-transparent.
        on_subject: The share of it that lies over the main subject; None when nobody can tell the two apart.
        line: Where its lettering is, which may lie aslant.
    """

    kind: FindingKind
    box: Box
    sure: float
    is_solid: bool
    on_subject: float | None
    line: Corners = ()

    @property
    def elements(self) -> frozenset[int]:
        """What a job may call it: 1 semi-transparent marks, 2 names, 3 characters, 4 colour blocks; any in doubt."""
        if self.kind is FindingKind.BLOCK:
            return frozenset({_NAMES, _CHARACTERS, _BLOCKS})
        if self.kind is FindingKind.TEXT and self.is_solid:
            return frozenset({_NAMES, _CHARACTERS})
        return frozenset({_MARKS, _NAMES, _CHARACTERS})

    def is_asked_for(self, elements: Iterable[int], subject_elements: Iterable[int]) -> bool:
        """Whether a job that takes these off outside and on the main subject is to take it off; yes in doubt."""
        return any(asked & self.elements for asked in self._asked_of(elements, subject_elements))

    def is_surely_asked_for(self, elements: Iterable[int], subject_elements: Iterable[int]) -> bool:
        """Whether it is to go, whichever it is of what it may be called, and wherever it is of where it may be."""
        return all(asked >= _SURELY[self.kind] for asked in self._asked_of(elements, subject_elements))

    def _asked_of(self, elements: Iterable[int], subject_elements: Iterable[int]) -> list[frozenset[int]]:
        outside = self.on_subject is None or self.on_subject < _MOST_SUBJECT
        inside = self.on_subject is None or self.on_subject > _SOME_SUBJECT
        return [frozenset(elements)] * outside + [frozenset(subject_elements)] * inside


def asked_for(
    findings: Iterable[PhotoFinding],
    elements: Iterable[int],
    subject_elements: Iterable[int],
    *,
    sure_from: float = SURE_FROM,
) -> list[PhotoFinding]:
    """Return those that a job is to take off, and that are sure enough.

    Args:
        findings: All of a photo.
        elements: What is taken off outside the main subject, 1 to 4.
        subject_elements: What is taken off the main subject.
        sure_from: What is less sure does not count.
    """
    outside, inside = tuple(elements), tuple(subject_elements)
    return [each for each in findings if each.sure >= sure_from and each.is_asked_for(outside, inside)]


def as_rows(findings: Iterable[PhotoFinding]) -> list[dict[str, Any]]:
    """Return findings as JSON keeps them."""
    return [
        {
            "kind": each.kind.value,
            "box": [round(value, 4) for value in each.box],
            "sure": round(each.sure, 3),
            "solid": each.is_solid,
            "on_subject": None if each.on_subject is None else round(each.on_subject, 2),
            "line": [round(value, 4) for value in each.line],
        }
        for each in findings
    ]


def from_rows(rows: Iterable[Mapping[str, Any]]) -> list[PhotoFinding]:
    """Return what `as_rows` kept."""
    return [
        PhotoFinding(
            FindingKind(row["kind"]), _box(row["box"]), row["sure"], row["solid"], row["on_subject"], tuple(row["line"])
        )
        for row in rows
    ]


def _box(values: Iterable[float]) -> Box:
    left, top, width, height = (float(value) for value in values)
    return left, top, width, height
