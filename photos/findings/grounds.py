"""What lettering stands on: a block of one colour, the main subject, or whatever the photo shows there."""

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.findings.text_lines import Picture, ReadLine

Marked = NDArray[np.bool_]

_ALIKE = 16
"""Levels of 255 that a plain surface may stray, JPEG's noise included."""

_LEAST_OF_LINE = 0.4
_LARGEST_BLOCK = 0.3
_TALLEST_BLOCK = 4.5
_LEAST_FULL = 0.82
_LEAST_SUBJECT = 0.02
_SUBJECT_SIDE = 256
_INK_APART = 20
_PLAIN_INK = 22.0
_DARK, _VIVID = 58, 70


def find_block(picture: Picture, line: ReadLine) -> tuple[int, int, int, int] | None:
    """Return left, top, width and height of the block of one colour that a line stands on; None when there is none.

    A block is filled with the line's ground, reaches past the line, is a box and ends before the picture does.
    """
    height, width = picture.shape[:2]
    left, top, wide, tall = cv2.boundingRect(line.corners.astype(np.int32))
    inside = picture[max(0, top) : top + tall, max(0, left) : left + wide]
    if inside.size == 0:
        return None
    ground = _commonest(inside.reshape(-1, 3))
    if (np.abs(inside.astype(np.int16) - ground).max(axis=2) <= _ALIKE).mean() < _LEAST_OF_LINE:
        return None
    alike = (np.abs(picture.astype(np.int16) - ground).max(axis=2) <= _ALIKE).astype(np.uint8)
    _, labels = cv2.connectedComponents(alike, connectivity=4)
    of_line = labels[max(0, top) : top + tall, max(0, left) : left + wide]
    of_line = of_line[of_line > 0]
    if of_line.size == 0:
        return None
    region = (labels == np.bincount(of_line).argmax()).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(region)
    if w * h > _LARGEST_BLOCK * width * height or w < 0.8 * wide or h < 0.8 * tall:
        return None
    if min(w, h) > _TALLEST_BLOCK * min(line.sides[0], wide, tall):
        # A product of one colour that a line stands on.
        return None
    if sum((x == 0, y == 0, x + w == width, y + h == height)) > 1:
        return None
    outline, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.convexHull(max(outline, key=cv2.contourArea))
    _, sides, _ = cv2.minAreaRect(hull)
    is_box = cv2.contourArea(hull) >= _LEAST_FULL * sides[0] * sides[1]
    is_full = cv2.contourArea(max(outline, key=cv2.contourArea)) >= 0.9 * cv2.contourArea(hull)
    return (x, y, w, h) if is_box and is_full else None


def is_solid(picture: Picture, line: ReadLine) -> bool:
    """Whether a line's ink is one colour that no pale veil over a photo comes to: vivid, or nearly black."""
    left, top, wide, tall = cv2.boundingRect(line.corners.astype(np.int32))
    inside = picture[max(0, top) : top + tall, max(0, left) : left + wide]
    if inside.size == 0:
        return False
    pixels = inside.reshape(-1, 3).astype(np.int16)
    apart = np.abs(pixels - _commonest(inside.reshape(-1, 3))).max(axis=1)
    ink = pixels[apart >= max(_INK_APART, 0.75 * float(np.percentile(apart, 97)))]
    if len(ink) < 12:
        return False
    colour = np.median(ink, axis=0)
    strays = float(np.abs(ink - colour).max(axis=1).mean())
    is_extreme = colour.max() <= _DARK or colour.max() - colour.min() >= _VIVID
    return bool(is_extreme and strays <= _PLAIN_INK)


def find_subject(picture: Picture) -> Marked | None:
    """Mark the main subject of a photo on a plain ground; None when it has no such ground.

    What is thin or small, as lettering on the ground is, is no subject.
    """
    factor = _SUBJECT_SIDE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.int16)
    rim = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    ground = np.median(rim, axis=0)
    if (np.abs(rim - ground).max(axis=1) <= _ALIKE).mean() < 0.55:
        return None
    alike = (np.abs(small - ground).max(axis=2) <= _ALIKE).astype(np.uint8)
    framed = cv2.copyMakeBorder(alike, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(framed, None, (0, 0), 2)
    rest = (framed[1:-1, 1:-1] != 2).astype(np.uint8)
    rest = cv2.morphologyEx(rest, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    least = max(_LEAST_SUBJECT * rest.size, 0.3 * areas.max(initial=0))
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]
    if not kept:
        return None
    marked = np.isin(labels, kept).astype(np.uint8)
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.resize(marked, size, interpolation=cv2.INTER_NEAREST) > 0)


def _commonest(pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the colour that most of some pixels have, about."""
    rough = (pixels >> 4).astype(np.int32)
    keys = (rough[:, 0] << 8) | (rough[:, 1] << 4) | rough[:, 2]
    most = np.bincount(keys).argmax()
    return np.asarray(np.median(pixels[keys == most], axis=0), np.int16)
