"""Tells the main subject of a product photo from the rest."""

from __future__ import annotations

import cv2
import numpy as np

from sandbox.erase.engine import Image8
from sandbox.erase.glyphs import Bools, disc

SIDE = 320
# How far (of 255) a background may stray from the colour of the picture's rim.
TOLERANCE = 16


def subject_mask(picture: Image8) -> Bools:
    """Marks the subject: what a plain background does not reach from the rim, or else the middle of the picture.

    Thin shapes, such as lettering on the background, do not count as subject.
    """
    height, width = picture.shape[:2]
    factor = SIDE / max(height, width)
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.int16)
    rim = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    colour = np.median(rim, axis=0)
    if (np.abs(rim - colour).max(axis=1) <= TOLERANCE).mean() > 0.6:
        alike = (np.abs(small - colour).max(axis=2) <= TOLERANCE).astype(np.uint8)
        framed = cv2.copyMakeBorder(alike, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
        cv2.floodFill(framed, None, (0, 0), 2)
        found = (framed[1:-1, 1:-1] != 2).astype(np.uint8)
        found = cv2.morphologyEx(found, cv2.MORPH_OPEN, disc(11))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
        # Badges on the background are far smaller than the product.
        least = max(0.02 * found.size, 0.3 * stats[1:, cv2.CC_STAT_AREA].max(initial=0))
        large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]
        found = np.isin(labels, large).astype(np.uint8)
    else:
        found = np.zeros(small.shape[:2], np.uint8)
        centre = (found.shape[1] // 2, found.shape[0] // 2)
        cv2.ellipse(found, centre, (int(centre[0] * 0.72), int(centre[1] * 0.72)), 0, 0, 360, 1, -1)
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST) > 0)
