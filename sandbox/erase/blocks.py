"""Finds the flat colour block that a line of text stands on."""

from __future__ import annotations

import cv2
import numpy as np

from sandbox.erase.engine import Image8, TextLine
from sandbox.erase.glyphs import disc, dominant_colour

TOLERANCE = 14
LARGEST_SHARE = 0.35


def block_mask(picture: Image8, line: TextLine) -> Image8 | None:
    """The whole block as a mask, its rounded corners and shadowed rim included, or None when there is no block.

    A block is one flat colour that fills most of the line's box, reaches past it, has a straight outline and ends
    before the picture does.
    """
    height, width = picture.shape[:2]
    inner = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inner, line.corners.astype(np.int32), 1)
    box = inner > 0
    pixels = picture[box].astype(np.int16)
    colour = dominant_colour(pixels)
    near = np.abs(pixels - colour).max(axis=1) <= TOLERANCE
    if near.mean() < 0.45:
        return None
    low, high = (np.clip(colour + shift, 0, 255).astype(np.uint8) for shift in (-TOLERANCE, TOLERANCE))
    alike = cv2.inRange(picture, low, high) & 1
    _, labels = cv2.connectedComponents(alike, connectivity=4)
    inside = labels[box]
    inside = inside[inside > 0]
    if inside.size == 0:
        return None
    region = (labels == np.bincount(inside).argmax()).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(region)
    if x == 0 or y == 0 or x + w == width or y + h == height or w * h > LARGEST_SHARE * width * height:
        return None
    contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(contours, key=cv2.contourArea)
    area = cv2.contourArea(outline)
    hull = cv2.convexHull(outline)
    _, (long_side, short_side), _ = cv2.minAreaRect(outline)
    if area < 0.93 * cv2.contourArea(hull) or area < 0.8 * long_side * short_side:
        return None
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, hull.astype(np.int32), 255)
    if (mask[box] > 0).mean() < 0.8:
        return None
    # Colours bleed up to a JPEG block's width past the outline.
    reach = max(8, round(min(w, h) * 0.06))
    return np.asarray(cv2.dilate(mask, disc(2 * reach + 1)), np.uint8)
