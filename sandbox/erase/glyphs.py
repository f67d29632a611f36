"""A tight mask of a line's strokes, so that what lies between the letters stays."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sandbox.erase.engine import Image8, TextLine

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

# A stroke must differ from what is around it by this much (of 255) to be seen by a shopper.
LEAST_CONTRAST = 6.0
# Strokes are at most this share of the line's box wide; larger shapes belong to the product. Lettering of one colour
# is told apart by that colour as well, so that bold faces may be looked for.
SOLID_SHARE = 0.24
VEIL_SHARE = 0.115
# What is looked at beyond both ends of the line's box, as a share of its height.
ENDS = 0.3
# How far (of 255) a pixel may be from what the veil's share foretells.
VEIL_ERROR = 18.0
# Lettering that differs from what is behind it by less than this (of 255) is meant to be looked through.
FAINT = 100.0
# The thin outline around semi-transparent letters, which is all of them that shows on white.
OUTLINE_SHARE = 0.05


@dataclass(frozen=True)
class Strokes:
    """The strokes of one line, in a window of the picture.

    `colour` is set for lettering that hides what is behind it; `veil` marks pixels that a semi-transparent letter
    merely lightened, and `clear` holds what they were before that.
    """

    rows: slice
    columns: slice
    mask: Image8
    colour: NDArray[np.int16] | None
    veil: Bools | None = None
    clear: Image8 | None = None


def line_area(line: TextLine, size: tuple[int, int], grow: float = -0.12) -> Image8:
    """The line's box as a mask, grown on all sides by a share of its height; `size` is (height, width).

    The detector leaves a margin of about a quarter of the height above and below the letters, but may cut off the
    first or the last of them.
    """
    area = np.zeros(size, np.uint8)
    centre, (width, height), angle = cv2.minAreaRect(line.corners)
    across, along = 2 * grow * line.height, 2 * max(grow, ENDS) * line.height
    grown = (width + along, height + across) if width >= height else (width + across, height + along)
    corners = cv2.boxPoints((centre, grown, angle))
    cv2.fillConvexPoly(area, corners.astype(np.int32), 255)
    return area


def window_of(area: Image8, margin: int) -> tuple[slice, slice]:
    """The rows and columns that hold the mask, with a margin in pixels."""
    x, y, width, height = cv2.boundingRect(area)
    return (
        slice(max(0, y - margin), min(area.shape[0], y + height + margin)),
        slice(max(0, x - margin), min(area.shape[1], x + width + margin)),
    )


def hat_of(crop: Image8, kind: int, diameter: float) -> Floats:
    """How far thin shapes stand out, in the channel where they do most; `kind` says lighter or darker ones."""
    side = max(5, int(diameter)) | 1
    # A square, not a disc: it costs a fraction, and strokes are as thin for it in all directions but one.
    return peak(cv2.morphologyEx(crop, kind, np.ones((side, side), np.uint8))).astype(np.float32)


def peak(picture: Image8) -> Image8:
    """The largest of a pixel's three channels."""
    blue, green, red = cv2.split(picture)
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def distance_to(picture: Image8, colour: NDArray[np.int16]) -> Image8:
    """How far each pixel is from a colour, in the channel where it is farthest."""
    flat = np.empty_like(picture)
    flat[:] = colour.astype(np.uint8)
    return peak(np.asarray(cv2.absdiff(picture, flat), np.uint8))


def disc(diameter: int) -> Image8:
    """A round structuring element; the diameter is made odd."""
    odd = diameter | 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (odd, odd)), np.uint8)


def find_strokes(picture: Image8, line: TextLine) -> Strokes:
    """Marks what is thin and stands out in any channel, lighter or darker than what is around it.

    Top-hats see thin shapes only, so the outline of a sleeve or a shoe under the line is left alone.
    """
    area = line_area(line, picture.shape[:2], grow=0.05)
    rows, columns = window_of(area, int(line.height * 0.8))
    crop = np.ascontiguousarray(picture[rows, columns])
    inside = area[rows, columns] > 0
    solid = _solid_strokes(crop, inside, line.height)
    if solid is not None:
        return Strokes(rows, columns, *solid)
    band = line_area(line, picture.shape[:2], grow=-0.12)[rows, columns] > 0
    mask, veil, clear = _veiled_strokes(crop, band, line.height)
    return Strokes(rows, columns, mask, None, veil, clear)


def _solid_strokes(crop: Image8, inside: Bools, height: float) -> tuple[Image8, NDArray[np.int16]] | None:
    """Strokes of one colour, or None when the line has no such colour."""
    hat = np.maximum(
        hat_of(crop, cv2.MORPH_TOPHAT, height * SOLID_SHARE), hat_of(crop, cv2.MORPH_BLACKHAT, height * SOLID_SHARE)
    )
    floor = grain(hat, ~inside, int(height * 1.5))
    strong = (hat > 2.0 * floor) & inside
    behind = cv2.medianBlur(crop, int(max(15, min(121, height * 0.8))) | 1)
    from_behind = peak(np.asarray(cv2.absdiff(crop, behind), np.uint8))
    # The gaps between strokes are thin shapes as well, but they have the colour of what lies behind.
    clear = strong & (from_behind > 0.5 * hat)
    colour = solid_colour(crop, hat, clear)
    if colour is None or np.median(np.abs(behind[clear].astype(np.int16) - colour).max(axis=1)) < FAINT:
        return None
    if is_veil(crop[clear], behind[clear]):
        return None
    distance = distance_to(crop, colour)
    strokes = (distance < 48) & ((hat > floor) | (distance < from_behind)) & inside
    strokes |= (distance < 90) & (distance < from_behind) & strong
    kept = keep_strong(strokes.astype(np.uint8), strong, least=max(6, int(height * 0.1)))
    # Where strokes meet they may be too thick for the top-hat.
    joined = cv2.morphologyEx(kept, cv2.MORPH_CLOSE, disc(int(height * 0.14)))
    return kept | (joined & (distance < 90).astype(np.uint8)), colour


def is_veil(seen: Image8, behind: Image8) -> bool:
    """Whether the pixels may be white mixed into what lies behind, by the same share in every channel."""
    room = 255.0 - behind.astype(np.float32)
    ratios = (255.0 - seen.astype(np.float32)) / np.maximum(room, 1.0)
    telling = room > 60
    shares = [
        float(np.median(ratios[telling[:, channel], channel]))
        for channel in range(3)
        if telling[:, channel].mean() > 0.3
    ]
    return bool(shares) and all(0.3 < share < 0.88 for share in shares) and max(shares) - min(shares) < 0.2


def _veiled_strokes(crop: Image8, inside: Bools, height: float) -> tuple[Image8, Bools | None, Image8 | None]:
    """Strokes that let the product shine through, with their thin outline; and what was behind them, if it shows."""
    light = hat_of(crop, cv2.MORPH_TOPHAT, height * VEIL_SHARE)
    dark = hat_of(crop, cv2.MORPH_BLACKHAT, height * VEIL_SHARE)
    reach = int(height * 1.5)
    whitens = 2.0 * light[inside].sum() > dark[inside].sum()
    body = light if whitens else dark
    rim = hat_of(crop, cv2.MORPH_BLACKHAT if whitens else cv2.MORPH_TOPHAT, height * OUTLINE_SHARE)
    body_floor, rim_floor = grain(body, ~inside, reach), grain(rim, ~inside, reach)
    strokes = ((body > body_floor) | (rim > rim_floor)) & inside
    strong = ((body > 2.0 * body_floor) | (rim > 2.0 * rim_floor)) & inside
    kept = keep_strong(strokes.astype(np.uint8), strong, least=max(6, int(height * 0.1)))
    kept = cv2.morphologyEx(kept, cv2.MORPH_CLOSE, disc(3))
    if not whitens:
        return kept, None, None
    candidates = (body > body_floor) & (kept > 0)
    found = lift_veil(crop, kept, candidates)
    return (kept, None, None) if found is None else (kept, *found)


def lift_veil(crop: Image8, strokes: Image8, body: Bools) -> tuple[Bools, Image8] | None:
    """Undoes the mixing under white letters: seen = share x behind + (1 - share) x white, one share for the line.

    Returns the pixels for which that holds, and the picture without the veil; None when no such mixing explains the
    letters. What lies behind is first guessed by painting the letters over; the guess only serves to find the share.
    """
    middle = body & (cv2.erode(body.astype(np.uint8), disc(3)) > 0)
    half = (crop.shape[1] // 2, crop.shape[0] // 2)
    small_strokes = cv2.resize(cv2.dilate(strokes, disc(5)), half, interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(crop, half, interpolation=cv2.INTER_AREA)
    rough = cv2.inpaint(small, small_strokes, 2, cv2.INPAINT_TELEA)
    guess = cv2.resize(rough, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)
    seen = crop.astype(np.float32)
    room = 255.0 - guess[middle]
    ratios = ((255.0 - seen[middle]) / np.maximum(room, 1.0))[room > 70]
    if ratios.size < 400:
        return None
    counts, edges = np.histogram(ratios, bins=60, range=(0.0, 1.2))
    smoothed = np.convolve(counts, (1, 2, 3, 2, 1), "same")
    best = int(smoothed.argmax())
    share = float((edges[best] + edges[best + 1]) / 2)
    if not 0.25 < share < 0.88 or counts[max(0, best - 4) : best + 5].sum() < 0.4 * ratios.size:
        return None
    error = np.abs(seen - share * guess - (1 - share) * 255.0).max(axis=2)
    clear = np.clip((seen - (1 - share) * 255.0) / share, 0, 255).astype(np.uint8)
    # On white the veil changes nothing, and undoing it would only bring out the noise.
    dim = guess.min(axis=2) < 225
    return np.asarray(middle & (error < VEIL_ERROR) & dim), clear


def clear_line(picture: Image8, line: TextLine, strokes: Strokes) -> Image8:
    """Takes the veil off in place where that can be done, and returns the mask of what must be painted anew."""
    reach = max(3, round(line.height * (0.022 if strokes.colour is None else 0.04)))
    grown = cv2.dilate(strokes.mask, disc(2 * reach + 1)) * 255
    if strokes.veil is not None and strokes.clear is not None:
        grown[strokes.veil] = 0
        picture[strokes.rows, strokes.columns][strokes.veil] = strokes.clear[strokes.veil]
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[strokes.rows, strokes.columns] = grown
    return mask


def grain(hat: Floats, known: Bools, side: int) -> Floats:
    """The level that the surface's own texture reaches beside the line, never below what can be seen at all."""
    weight = known.astype(np.float32)
    window = (side | 1, side | 1)
    share = np.maximum(cv2.blur(weight, window), 0.02)
    capped = np.minimum(hat, 40.0) * weight
    mean = cv2.blur(capped, window) / share
    square = cv2.blur(capped * capped, window) / share
    spread = np.sqrt(np.maximum(square - mean * mean, 0.0))
    return np.asarray(np.clip(mean + 1.2 * spread, LEAST_CONTRAST, 22.0), np.float32)


def solid_colour(crop: Image8, hat: Floats, strong: Bools) -> NDArray[np.int16] | None:
    """The one colour that nearly all of the line's strokes have, or None when what is behind shines through them."""
    if np.count_nonzero(strong) < 40:
        return None
    # The upper half of the contrasts is the strokes' middle, free of soft edges.
    middle = crop[strong & (hat >= np.percentile(hat[strong], 55))].astype(np.int16)
    colour = dominant_colour(middle)
    near = np.abs(middle - colour).max(axis=1) < 40
    return colour if near.mean() > 0.72 else None


def dominant_colour(pixels: NDArray[np.int16]) -> NDArray[np.int16]:
    """The middle of the fullest cell when colours are sorted into cells of 16 levels a side."""
    cells = (pixels >> 4).astype(np.int32)
    keys = (cells[:, 0] << 8) | (cells[:, 1] << 4) | cells[:, 2]
    fullest = np.bincount(keys).argmax()
    return np.asarray(np.median(pixels[keys == fullest], axis=0), np.int16)


def keep_strong(strokes: Image8, strong: Bools, *, least: int) -> Image8:
    """Keeps connected pieces that hold a clearly visible pixel and at least `least` pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    has_strong = np.zeros(count, bool)
    has_strong[np.unique(labels[strong & (strokes > 0)])] = True
    keep = has_strong & (stats[:, cv2.CC_STAT_AREA] >= least)
    keep[0] = False
    kept: Image8 = keep[labels].astype(np.uint8)
    return kept
