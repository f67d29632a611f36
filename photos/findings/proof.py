"""What came back, held against what was sent: whether something is left over, and whether something else is gone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photos.findings.look import how_sure, seen
from photos.findings.overlay import Box, FindingKind, PhotoFinding
from photos.findings.text_lines import Picture, reader

LEFT_SURE = 0.8
"""So surely a line must still read like text to be left over."""

_SAME_BLOCK = 6
_CHANGED_LEVELS = 16
"""Of 255, over 5×5 pixels of the small picture: re-encoding stays below."""

_REACH = 0.6
"""How far around a line, in heights of it, whoever takes it off may have to paint."""

_MOST_OF_TEXT, _MOST_OF_MARK = 84.0, 46.0
"""How far, of 255, the mean colour about a line may move when it is taken off: letters cover at most a third of it, and
a veil over them hides at most half of what is below. More is something else that is gone."""

_NEAR = 0.22
"""Over how much of a line's height that mean is taken (the deviation of a Gaussian)."""

Marked = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Proof:
    """What is wrong with an output.

    Args:
        left: Where something is left over that was to go.
        damaged: Where something is changed that was to stay.
        damaged_share: The largest connected piece of that, as a share of the photo.
    """

    left: tuple[Box, ...] = ()
    damaged: tuple[Box, ...] = ()
    damaged_share: float = 0.0


def prove(
    before: bytes,
    after: bytes,
    findings: Sequence[PhotoFinding],
    *,
    elements: Iterable[int],
    subject_elements: Iterable[int],
    sure_from: float,
    damaged_from: float,
    mask: Image.Image | None = None,
) -> Proof:
    """Return what is wrong with an output.

    Args:
        before: The source.
        after: The output, made like the source.
        findings: All that was found on the source.
        elements: What was to be taken off outside the main subject.
        subject_elements: What was to be taken off the main subject.
        sure_from: Of what is less sure nothing is asked.
        damaged_from: The share of the photo from which on a connected piece is damage.
        mask: What was to be erased, upright, in any size; then nothing else was.

    Raises:
        OutputError: One of them is no picture.
    """
    old, new = seen(before), seen(after)
    if old.shape != new.shape:
        new = np.asarray(cv2.resize(new, (old.shape[1], old.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
    height, width = old.shape[:2]
    if mask is not None:
        allowed = _grown(np.asarray(mask.convert("L").resize((width, height)), np.uint8) > 0)
        return Proof((), *_pieces(old, new, allowed, damaged_from))
    outside, inside = tuple(elements), tuple(subject_elements)
    sure = [each for each in findings if each.sure >= sure_from]
    left = tuple(each.box for each in sure if each.is_surely_asked_for(outside, inside) and _is_left(old, new, each))
    allowed = np.zeros((height, width), np.uint8)
    for each in findings:
        cv2.rectangle(allowed, *_around(each.box, old.shape, _REACH), 1, -1)
    damaged, share = _pieces(old, new, allowed, damaged_from)
    asked = [each for each in sure if each.is_asked_for(outside, inside)]
    gone = tuple(each.box for each in asked if _is_more_gone_than_letters(old, new, each))
    area = max((each.box[2] * each.box[3] for each in asked if each.box in gone), default=0.0)
    return Proof(left, damaged + gone, max(share, area))


def _is_left(old: Picture, new: Picture, finding: PhotoFinding) -> bool:
    if finding.kind is FindingKind.BLOCK:
        (left, top), (right, bottom) = _around(finding.box, old.shape, 0)
        apart = cv2.absdiff(old[top:bottom, left:right], new[top:bottom, left:right]).max(axis=2)
        return bool(apart.size and np.median(apart) < _SAME_BLOCK)
    corners = np.asarray(finding.line, np.float32).reshape(4, 2) * (new.shape[1], new.shape[0])
    with reader() as free:
        line = free.read_line(new, corners.astype(np.float32))
    return how_sure(line, new.shape) >= LEFT_SURE


def _is_more_gone_than_letters(old: Picture, new: Picture, finding: PhotoFinding) -> bool:
    if finding.kind is FindingKind.BLOCK:
        return False
    (left, top), (right, bottom) = _around(finding.box, old.shape, _REACH)
    reach = max(1.0, _NEAR * min(finding.box[2] * old.shape[1], finding.box[3] * old.shape[0]))
    each = [
        cv2.GaussianBlur(picture[top:bottom, left:right], (0, 0), reach).astype(np.float32) for picture in (old, new)
    ]
    moved = np.abs(each[0] - each[1]).max(axis=2)
    most = _MOST_OF_MARK if finding.kind is FindingKind.MARK else _MOST_OF_TEXT
    return bool(moved.size and np.percentile(moved, 99) >= most)


def _pieces(old: Picture, new: Picture, allowed: Marked, damaged_from: float) -> tuple[tuple[Box, ...], float]:
    """Return where else connected pieces are changed that are large enough, and the share of the largest."""
    apart = cv2.absdiff(cv2.blur(old, (5, 5)), cv2.blur(new, (5, 5))).max(axis=2)
    changed = cv2.morphologyEx((apart >= _CHANGED_LEVELS).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    changed[allowed > 0] = 0
    count, _, stats, _ = cv2.connectedComponentsWithStats(changed, connectivity=8)
    height, width = changed.shape
    shares = [float(stats[number, cv2.CC_STAT_AREA]) / changed.size for number in range(count)]
    large = [number for number in range(1, count) if shares[number] >= damaged_from]
    boxes = tuple(
        (
            float(stats[number, cv2.CC_STAT_LEFT]) / width,
            float(stats[number, cv2.CC_STAT_TOP]) / height,
            float(stats[number, cv2.CC_STAT_WIDTH]) / width,
            float(stats[number, cv2.CC_STAT_HEIGHT]) / height,
        )
        for number in large
    )
    return boxes, max((shares[number] for number in large), default=0.0)


def _around(box: Box, shape: Sequence[int], reach: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first and the last corner of a box, grown by so many of its shorter sides, in pixels."""
    height, width = shape[:2]
    left, top, wide, tall = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    more = reach * min(wide, tall)
    first = max(0, int(left - more)), max(0, int(top - more))
    return first, (min(width, int(left + wide + more)), min(height, int(top + tall + more)))


def _grown(mask: NDArray[np.bool_]) -> Marked:
    side = max(3, round(0.02 * max(mask.shape)) | 1)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)), np.uint8)
