"""Fills a large hole with patches from around it, the most certain edges first, at a small scale."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sandbox.erase.engine import Image8

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

PATCH = 4
SIDE = 2 * PATCH + 1
# Pixels of the hole at the small scale: time grows with them, detail of the choice as well.
SMALL = 1_400


def fill_from_elsewhere(crop: Image8, hole: Bools, avoid: Bools) -> Image8 | None:
    """Returns the picture with the hole filled from known places, or None when there is nowhere to take from.

    Patches are chosen on a shrunken picture; the full-size pixels then come from the same places, so that grain and
    sharpness stay.

    Args:
        crop: BGR picture around the hole.
        hole: what to fill.
        avoid: what is neither to be filled nor to be taken from.
    """
    factor = max(1, int(np.ceil(np.sqrt(np.count_nonzero(hole) / SMALL))))
    small_hole, small_avoid = _shrunk(hole, factor), _shrunk(avoid, factor)
    tall, wide = small_hole.shape
    small = cv2.resize(crop[: tall * factor, : wide * factor], (wide, tall), interpolation=cv2.INTER_AREA)
    sources = _choose(small, small_hole, small_avoid & ~small_hole)
    if sources is None:
        return None
    return _copy_full(crop, hole, sources, factor)


def _shrunk(mask: Bools, factor: int) -> Bools:
    tall, wide = mask.shape[0] // factor, mask.shape[1] // factor
    blocks = mask[: tall * factor, : wide * factor].reshape(tall, factor, wide, factor)
    return np.asarray(blocks.any(axis=(1, 3)))


def _choose(small: Image8, hole: Bools, avoid: Bools) -> NDArray[np.int32] | None:
    """For every pixel of the hole, the row and column its content comes from."""
    lab: Floats = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32)
    height, width = hole.shape
    todo = hole.copy()
    known = ~(hole | avoid)
    bad = cv2.dilate((~known).astype(np.uint8), np.ones((SIDE, SIDE), np.uint8)) > 0
    if height <= SIDE or width <= SIDE or bad[PATCH:-PATCH, PATCH:-PATCH].all():
        return None
    confidence = known.astype(np.float32)
    where = np.moveaxis(np.mgrid[0:height, 0:width], 0, 2).astype(np.int32)
    penalty_rows = np.arange(height, dtype=np.float32)[:, None]
    penalty_columns = np.arange(width, dtype=np.float32)[None, :]
    while todo.any():
        row, column = _next_place(lab, todo, known, confidence)
        top, left = min(max(0, row - PATCH), height - SIDE), min(max(0, column - PATCH), width - SIDE)
        place = (slice(top, top + SIDE), slice(left, left + SIDE))
        weight = known[place].astype(np.float32)
        distance = cv2.matchTemplate(lab, np.ascontiguousarray(lab[place]), cv2.TM_SQDIFF, mask=cv2.merge([weight] * 3))
        # Near places win among equals: they carry the right light.
        reach = distance.shape
        distance += 0.3 * weight.sum() * np.hypot(penalty_rows[: reach[0]] - top, penalty_columns[:, : reach[1]] - left)
        distance[bad[PATCH : PATCH + reach[0], PATCH : PATCH + reach[1]]] = np.inf
        found = np.unravel_index(int(np.argmin(distance)), reach)
        source = (slice(int(found[0]), int(found[0]) + SIDE), slice(int(found[1]), int(found[1]) + SIDE))
        fresh = todo[place]
        lab[place][fresh] = lab[source][fresh]
        where[place][fresh] = where[source][fresh]
        confidence[place][fresh] = confidence[row, column] * 0.98
        known[place] |= fresh
        todo[place] = False
    return np.asarray(where)


def _next_place(lab: Floats, todo: Bools, known: Bools, confidence: Floats) -> tuple[int, int]:
    """The border pixel with the most known around it and the strongest edge running into the hole."""
    touching = cv2.dilate(known.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    border = todo & touching
    if not border.any():
        border = todo
    trust = cv2.blur(np.where(known, confidence, 0.0).astype(np.float32), (SIDE, SIDE))
    light = np.ascontiguousarray(lab[:, :, 0])
    strength = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    strength[cv2.dilate((~known).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = 0
    edge = cv2.dilate(strength, np.ones((5, 5), np.uint8))
    score = np.where(border, trust * (edge + 12.0) + 1e-6, -1.0)
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    confidence[row, column] = trust[row, column]
    return int(row), int(column)


def _copy_full(crop: Image8, hole: Bools, sources: NDArray[np.int32], factor: int) -> Image8:
    """Takes the chosen places at full size and softens the seams between them."""
    height, width = hole.shape
    grid = np.moveaxis(np.mgrid[0 : sources.shape[0], 0 : sources.shape[1]], 0, 2)
    full = np.repeat(np.repeat(sources - grid, factor, axis=0), factor, axis=1) * factor
    full = np.pad(full, ((0, height - full.shape[0]), (0, width - full.shape[1]), (0, 0)), mode="edge")
    rows, columns = np.mgrid[0:height, 0:width]
    taken = crop[np.clip(rows + full[:, :, 0], 0, height - 1), np.clip(columns + full[:, :, 1], 0, width - 1)]
    result = np.where(hole[:, :, None], taken, crop)
    seams = np.zeros(hole.shape, np.uint8)
    seams[1:][np.abs(np.diff(full, axis=0)).max(axis=2) > 0] = 255
    seams[:, 1:][np.abs(np.diff(full, axis=1)).max(axis=2) > 0] = 255
    seams = cv2.dilate(seams, np.ones((3, 3), np.uint8))
    weight = cv2.GaussianBlur(seams, (0, 0), 1.5).astype(np.float32)[:, :, None] / 255.0
    weight[~hole] = 0
    soft = cv2.GaussianBlur(result, (0, 0), 2.0)
    blended = result.astype(np.float32) * (1 - weight) + soft.astype(np.float32) * weight
    return np.asarray(blended, np.uint8)
