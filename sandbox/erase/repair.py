"""Fills a mask so that it cannot be told from what is around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sandbox.erase.engine import Image8
from sandbox.erase.exemplar import fill_from_elsewhere
from sandbox.erase.glyphs import Bools, distance_to, window_of

# Holes wider than this (pixels to the nearest known one) are filled with patches; thin ones are painted over.
THIN = 20
# How far (of 255) a plain background may stray from its middle colour.
PLAIN = 9


def repair(picture: Image8, strokes: Image8, blocks: Image8) -> Image8:
    """Returns the BGR picture with every masked (non-zero) pixel replaced.

    Args:
        picture: the photo; it is left as it is.
        strokes: letters; they are painted over from their sides.
        blocks: areas; they are filled with what goes on around them.
    """
    result = picture.copy()
    every = (strokes > 0) | (blocks > 0)
    for mask, wide in ((strokes, False), (blocks, True)):
        # Letters of one line are repaired together.
        joined = cv2.dilate(mask, np.ones((15, 15), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        for index in range(1, count):
            x, y, w, h, _ = stats[index]
            part = (slice(y, y + h), slice(x, x + w))
            piece = np.zeros_like(mask)
            piece[part] = np.where((labels[part] == index) & (mask[part] > 0), 255, 0)
            if piece.any():
                _repair_piece(result, piece, every, wide=wide)
        every &= mask == 0
    return result


def _repair_piece(picture: Image8, piece: Image8, every: Bools, *, wide: bool) -> None:
    _, _, w, h = cv2.boundingRect(piece)
    rows, columns = window_of(piece, int(0.8 * max(min(w, h), 40)) if wide else 24)
    crop = np.ascontiguousarray(picture[rows, columns])
    hole = np.ascontiguousarray(piece[rows, columns] > 0)
    others = np.ascontiguousarray(every[rows, columns] & ~hole)
    if wide:
        depth = float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max())
        wide = depth > THIN
    repaired = _refilled(crop, hole, others) if wide else _painted(crop, hole, others)
    picture[rows, columns][hole] = repaired[hole]


def _refilled(crop: Image8, hole: Bools, others: Bools) -> Image8:
    ring = _grown(hole, 13) & ~_grown(hole, 5) & ~others
    colour = _plain_colour(crop[ring])
    if colour is None:
        return _filled(crop, hole, others)
    plain = distance_to(crop, colour) <= PLAIN
    return _beside_subject(crop, hole, others, ring, plain)


def _beside_subject(crop: Image8, hole: Bools, other_holes: Bools, ring: Bools, plain: Bools) -> Image8:
    """A block that covers plain background and a bit of the product: its outline goes on smoothly through the hole.

    The share of product is 0 or 1 around the hole and spreads through it like heat; where it stays over one half the
    product goes on.
    """
    share = np.where(plain, 0.0, 1.0).astype(np.float32)
    share = _spread(share, hole)
    subject = hole & (share > 0.5)
    result = crop.copy()
    result[hole] = np.median(crop[ring & plain], axis=0).astype(np.uint8)
    if subject.any():
        # The product's rim is a mix with the background and would be drawn into the middle.
        avoid = _grown(plain & ~hole, 5) | other_holes | (hole & ~subject)
        inner = _filled(result, subject, avoid & ~subject)
        whole = subject | (~plain & ~hole)
        soft = cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 1.2)[:, :, None]
        mixed = result.astype(np.float32) * (1 - soft) + inner.astype(np.float32) * soft
        result[hole] = mixed[hole].astype(np.uint8)
    return result


def _spread(values: NDArray[np.float32], hole: Bools) -> NDArray[np.float32]:
    """Fills the hole with the smoothest surface through the values around it (coarse to fine)."""
    if min(values.shape) > 24:
        half = (values.shape[1] // 2, values.shape[0] // 2)
        known = (~hole).astype(np.float32)
        weight = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
        mean = cv2.resize(values * known, half, interpolation=cv2.INTER_AREA) / np.maximum(weight, 1e-6)
        coarse = _spread(np.where(weight > 0.01, mean, 0.5).astype(np.float32), np.asarray(weight <= 0.01))
        start = cv2.resize(coarse, values.shape[::-1], interpolation=cv2.INTER_LINEAR)
    else:
        start = np.full_like(values, float(values[~hole].mean()) if (~hole).any() else 0.5)
    result = np.where(hole, start, values).astype(np.float32)
    for _ in range(30):
        result = np.where(hole, cv2.blur(result, (3, 3)), values).astype(np.float32)
    return result


def _filled(crop: Image8, hole: Bools, avoid: Bools) -> Image8:
    filled = fill_from_elsewhere(crop, hole, avoid)
    if filled is not None:
        return filled
    both = hole | avoid
    return np.asarray(cv2.inpaint(crop, both.astype(np.uint8), 5, cv2.INPAINT_TELEA), np.uint8)


def _painted(crop: Image8, hole: Bools, others: Bools) -> Image8:
    painted = cv2.inpaint(crop, (hole | others).astype(np.uint8), 4, cv2.INPAINT_TELEA)
    return _with_grain(crop, painted, hole)


def _plain_colour(around: Image8) -> NDArray[np.int16] | None:
    """The background's colour when most of what lies around the hole is one plain colour."""
    if around.size == 0:
        return None
    pixels = around.astype(np.int16)
    colour = np.median(pixels, axis=0).astype(np.int16)
    share = (np.abs(pixels - colour).max(axis=1) <= PLAIN).mean()
    return colour if share > 0.5 else None


def _grown(mask: Bools, side: int) -> Bools:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def _with_grain(crop: Image8, painted: Image8, hole: Bools) -> Image8:
    """Puts the surface's own grain over the painted strokes, which are too smooth without it."""
    fine = crop.astype(np.float32) - cv2.GaussianBlur(crop, (0, 0), 1.5).astype(np.float32)
    known = (~_grown(hole, 15)).astype(np.float32)
    power = cv2.blur(np.minimum(fine.mean(axis=2) ** 2, 60.0) * known, (31, 31))
    strength = np.sqrt(power / np.maximum(cv2.blur(known, (31, 31)), 1e-3))
    strength[strength < 1.0] = 0.0
    noise = np.random.default_rng(7).normal(0.0, 1.0, hole.shape).astype(np.float32)
    grained = painted.astype(np.float32)
    grained[hole] += (noise * np.minimum(strength, 6.0) * 0.7)[hole][:, None]
    return np.clip(grained, 0, 255).astype(np.uint8)
