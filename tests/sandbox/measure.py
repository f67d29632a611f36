"""Says how clean an output is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from sandbox.erase.engine import Image8, TextLine, read_lines
from sandbox.erase.eraser import SMALLEST_LINE
from sandbox.erase.glyphs import Bools

# What an overlay changes by more than (of 255); compression changes less.
OVERLAY = 24


@dataclass(frozen=True)
class Cleanness:
    """What is left to read where an overlay was, and how near the output comes to the plate (PSNR, decibels)."""

    words: tuple[str, ...]
    psnr: float
    psnr_before: float


def cleanness(photo: Image.Image, output: Image.Image, plate: Image.Image) -> Cleanness:
    """Compares a photo and its output with the plate the photo was made from; all three have one size."""
    cleaned, clean = _bgr(output), _bgr(plate)
    least = SMALLEST_LINE * max(cleaned.shape)
    before = _bgr(photo)
    overlaid = cv2.absdiff(before, clean).max(axis=2) > OVERLAY
    lines = [line for line in read_lines(cleaned) if line.height >= least]
    words = tuple(line.text for line in lines if _lies_on(line, overlaid))
    return Cleanness(words, psnr(cleaned, clean), psnr(before, clean))


def _lies_on(line: TextLine, overlaid: Bools) -> bool:
    box = np.zeros(overlaid.shape, np.uint8)
    cv2.fillConvexPoly(box, line.corners.astype(np.int32), 1)
    return bool(overlaid[box > 0].mean() > 0.02)


def psnr(first: Image8, second: Image8) -> float:
    """Peak signal-to-noise ratio of two pictures of one size, decibels."""
    error = float(np.mean((first.astype(np.float32) - second.astype(np.float32)) ** 2))
    return 10 * math.log10(255.0**2 / max(error, 1e-6))


def _bgr(image: Image.Image) -> Image8:
    return np.asarray(cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR), np.uint8)
